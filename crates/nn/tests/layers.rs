//! Layers against candle-nn's.
#![allow(clippy::unwrap_used)]

use candle_nn::Module;
use frugan_autograd::{DType, Device, Ints, Tensor, Var};
use frugan_nn::{
    Builder, Conv2d, Conv2dShape, ConvTranspose2d, Embedding, Init, LayerOptions, Linear, Mode, Params, Purpose,
};

fn builder() -> Builder {
    Builder::new(4, Purpose::new("test"), DType::F64, &Device::Cpu)
}

fn input(shape: &[usize]) -> Var {
    Builder::new(5, Purpose::new("input"), DType::F64, &Device::Cpu).buffer("x", shape, Init::Normal(1.0)).unwrap()
}

fn tensor(params: &Params, name: &str) -> Tensor {
    params.get(name).unwrap().to_tensor().unwrap()
}

fn same(got: &Var, want: &Tensor) {
    assert_eq!(got.dims(), want.dims());
    let want: Vec<f64> = want.flatten_all().unwrap().to_vec1().unwrap();
    let error = got.to_vec::<f64>().unwrap().iter().zip(&want).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
    assert!(error < 1e-12, "off by {error:e}");
}

#[test]
fn linear_with_and_without_bias() {
    for bias in [true, false] {
        let builder = builder();
        let options = LayerOptions { bias, ..Default::default() };
        let ours = Linear::new(&builder, 7, 3, &options).unwrap();
        let params = builder.finish();
        assert_eq!(params.get("bias").is_some(), bias);
        let theirs = candle_nn::Linear::new(tensor(&params, "weight"), bias.then(|| tensor(&params, "bias")));
        let x = input(&[4, 7]);
        same(&ours.forward(&x, Mode::Train).unwrap(), &theirs.forward(&x.to_tensor().unwrap()).unwrap());
    }
}

#[test]
fn convolutions_of_several_shapes() {
    let shapes = [
        Conv2dShape::same(3, 5, 3),
        Conv2dShape::same(3, 5, 1),
        Conv2dShape { inputs: 3, outputs: 4, kernel: 4, stride: 2, padding: 1 },
    ];
    for shape in shapes {
        let builder = builder();
        let ours = Conv2d::new(&builder, shape, &LayerOptions::default()).unwrap();
        let params = builder.finish();
        let config = candle_nn::Conv2dConfig { padding: shape.padding, stride: shape.stride, ..Default::default() };
        let theirs = candle_nn::Conv2d::new(tensor(&params, "weight"), Some(tensor(&params, "bias")), config);
        let x = input(&[2, 3, 8, 6]);
        let want = theirs.forward(&x.to_tensor().unwrap()).unwrap();
        same(&ours.forward(&x, Mode::Train).unwrap(), &want);
        same(&ours.forward_relu(&x, Mode::Train).unwrap(), &want.relu().unwrap());
        let want = theirs.forward(&x.to_tensor().unwrap().relu().unwrap()).unwrap().relu().unwrap();
        same(&ours.forward_between_relus(&x, Mode::Train).unwrap(), &want);
    }
}

#[test]
fn a_transposed_convolution_doubles() {
    let builder = builder();
    let shape = Conv2dShape { inputs: 3, outputs: 2, kernel: 4, stride: 2, padding: 1 };
    let ours = ConvTranspose2d::new(&builder, shape, &LayerOptions::default()).unwrap();
    let params = builder.finish();
    let config = candle_nn::ConvTranspose2dConfig { padding: 1, stride: 2, ..Default::default() };
    let theirs = candle_nn::ConvTranspose2d::new(tensor(&params, "weight"), Some(tensor(&params, "bias")), config);
    let x = input(&[2, 3, 4, 5]);
    let y = ours.forward(&x, Mode::Train).unwrap();
    assert_eq!(y.dims(), [2, 2, 8, 10]);
    same(&y, &theirs.forward(&x.to_tensor().unwrap()).unwrap());
}

#[test]
fn an_embedding_looks_rows_up() {
    let builder = builder();
    let ours = Embedding::new(&builder, 5, 4, &LayerOptions::default()).unwrap();
    let params = builder.finish();
    assert_eq!(params.len(), 1);
    let theirs = candle_nn::Embedding::new(tensor(&params, "weight"), 4);
    let labels = [3, 0, 3, 4];
    let ints = Ints::from(labels.to_vec());
    let index = Tensor::new(labels.map(|l| l as u32).as_slice(), &candle_core::Device::Cpu).unwrap();
    same(&ours.forward(&ints, Mode::Train).unwrap(), &theirs.forward(&index).unwrap());
    let error = ours.forward(&Ints::from(vec![5]), Mode::Train).unwrap_err().to_string();
    assert!(error.contains('5'), "{error}");
}
