#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]
use frugan_autograd::check::spread;
use frugan_autograd::*;
use std::time::Instant;
fn arr(shape: &[usize], s: u64) -> Var {
    Var::leaf(spread(shape, -1.0, 1.0, s).unwrap().to_dtype(DType::F32).unwrap())
}
fn time(name: &str, mib: f64, mut f: impl FnMut()) {
    f();
    let mut best = f64::MAX;
    for _ in 0..7 {
        let t = Instant::now();
        f();
        best = best.min(t.elapsed().as_secs_f64());
    }
    println!("{name:45} {:8.2} ms  {:6.1} GB/s", best * 1e3, mib / best / 1e9);
}
fn main() {
    let fir = Fir::outer(&[1.0, 3.0, 3.0, 1.0]).normalised();
    let sym = Fir::separable(&[0.1, 0.2, -0.3, 0.4, 0.9, 0.7, 0.3, -0.1, 0.05, 0.02, -0.01, 0.03]).normalised();
    let b = |x: &Var, y: &Var| 4.0 * (x.elem_count() + y.elem_count()) as f64;
    let run = |name: &str, x: &Var, f: &dyn Fn(&Var) -> Var| {
        let y = f(x);
        let bytes = b(x, &y);
        time(name, bytes, || {
            no_grad(|| {
                f(x);
            })
        });
        let c = Var::from(y.to_tensor().unwrap());
        time(&format!("  {name} backward"), bytes, || {
            grad(&[&y], &[&c], &[x], GraphMode::Keep).unwrap();
        });
    };
    let (n, c) = (16, 256);
    let x = arr(&[n, c, 32, 32], 1);
    run("scale (a copy)", &x, &|x| x.scale(2.0).unwrap());
    run("lrelu", &x, &|x| x.leaky_relu(0.2).unwrap());
    let bias = arr(&[c], 2);
    run("bias_act lrelu clamp", &x, &|x| {
        x.bias_act(Some(&bias), &BiasAct { clamp: Some(256.0), ..BiasAct::new(Activation::Lrelu) }).unwrap()
    });
    run("filter2d 32", &x, &|x| x.filter2d(&fir, 0, false, 1.0).unwrap());
    let x33 = arr(&[n, c, 33, 33], 1);
    run("fir 33->32", &x33, &|x| {
        x.upfirdn2d(&fir, &Upfirdn2d { padding: [1; 4], gain: 4.0, ..Default::default() }).unwrap()
    });
    run("fir 32->33", &x, &|x| x.upfirdn2d(&fir, &Upfirdn2d { padding: [2; 4], ..Default::default() }).unwrap());
    run("downsample 32->16", &x, &|x| x.downsample2d(&fir, 2, false, 1.0).unwrap());
    let x16 = arr(&[n, c, 16, 16], 1);
    run("upsample 16->32", &x16, &|x| x.upsample2d(&fir, 2, false, 1.0).unwrap());
    let x8 = arr(&[n, 512, 8, 8], 1);
    run("filter2d 8 (512)", &x8, &|x| x.filter2d(&fir, 0, false, 1.0).unwrap());
    run("upsample 8->16 (512)", &x8, &|x| x.upsample2d(&fir, 2, false, 1.0).unwrap());
    let img = arr(&[64, 3, 48, 48], 1);
    run("sym6 up 48->96 rgb 64", &img, &|x| x.upsample2d(&sym, 2, false, 1.0).unwrap());
    let theta: Var = spread(&[64, 2, 3], -1.0, 1.0, 4).unwrap().into();
    let img2 = arr(&[64, 3, 96, 96], 1);
    run("affine 96->76 rgb 64", &img2, &|x| x.affine_sample(&theta, [76, 76]).unwrap());
    run("sym6 down 96->48 rgb 64", &img2, &|x| x.downsample2d(&sym, 2, true, 1.0).unwrap());
    let taps: Var = spread(&[64, 43], -1.0, 1.0, 4).unwrap().to_dtype(DType::F32).unwrap().into();
    let img3 = arr(&[64, 3, 32, 32], 1);
    run("reflect+filter 43", &img3, &|x| x.reflect_pad2d([21; 4]).unwrap().filter_per_sample(&taps).unwrap());
    let w = arr(&[256, 256, 3, 3], 3);
    run("conv3x3 16", &x16, &|x| x.conv2d(&w, None, Conv2dConfig::same(3)).unwrap());
    run("conv up2 16->32", &x16, &|x| {
        x.conv2d_resample(&w, Some(&fir), &Resample { up: 2, down: 1, padding: 1, flip_weight: false }).unwrap()
    });
    run("conv down2 32->16", &x, &|x| {
        x.conv2d_resample(&w, Some(&fir), &Resample { up: 1, down: 2, padding: 1, flip_weight: true }).unwrap()
    });
    let s = arr(&[n, c], 5);
    run("modconv3x3 32 demod", &x, &|x| {
        x.modulated_conv2d(
            &w,
            &s,
            &ModulatedConv2d { up: 1, padding: 1, demodulate: true, flip_weight: true },
            None,
            None,
        )
        .unwrap()
    });
    run("conv3x3 32", &x, &|x| x.conv2d(&w, None, Conv2dConfig::same(3)).unwrap());
    run("permute w", &w, &|x| x.permute(&[1, 0, 2, 3]).unwrap());
    run("flip w", &w, &|x| x.reshape(&[256 * 256, 9]).unwrap().flip(1).unwrap());
}
