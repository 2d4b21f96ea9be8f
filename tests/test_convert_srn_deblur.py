"""SRN-Deblur's variables in exactly the official layout; with TensorFlow, its files and its outputs."""

import sys
from pathlib import Path

import pytest
import torch

from deblur import ScaleRecurrentConfig, restore, restore_network
from weights.convert import ConversionError, convert, convert_srn_deblur
from weights.convert.tensorflow_checkpoint import Variables, find_prefix


def srn_deblur(images=3, lstm=False, channels=(4, 6, 8), training=False):
    """Variables as SRN-Deblur saves them; kernels are (height, width, in, out), transposed ones (…, out, in)."""
    torch.manual_seed(0)
    c1, c2, c3 = channels
    kernels = {"enc1_1": (5, 5, 2 * images, c1), "enc2_1": (5, 5, c1, c2), "enc3_1": (5, 5, c2, c3)}
    for level, c in enumerate(channels, start=1):
        for part in ("conv1", "conv2"):
            kernels |= {f"enc{level}_{n}/{part}": (5, 5, c, c) for n in (2, 3, 4)}
            kernels |= {f"dec{level}_{n}/{part}": (5, 5, c, c) for n in (3, 2, 1)}
    kernels |= {"dec2_4": (4, 4, c2, c3), "dec1_4": (4, 4, c1, c2), "dec1_0": (5, 5, c1, images)}
    if lstm:
        kernels["convLSTM/LSTM_conv"] = (3, 3, 2 * c3, 4 * c3)
    tensors = {}
    for name, shape in kernels.items():
        biases = shape[2] if name in ("dec2_4", "dec1_4") else shape[3]
        tensors[f"g_net/{name}/weights"] = torch.randn(shape) * (shape[0] * shape[1] * shape[2]) ** -0.5
        tensors[f"g_net/{name}/biases"] = torch.randn(biases) * 0.05
    if training:
        for name in list(tensors):
            tensors |= {f"{name}/Adam": torch.zeros(1), f"{name}/Adam_1": torch.zeros(1)}
        tensors |= {
            "beta1_power": torch.tensor(0.9),
            "beta2_power": torch.tensor(0.9),
            "Variable": torch.tensor(523000),
        }
    return tensors


def variables(tensors):
    return Variables({name: tuple(tensor.shape) for name, tensor in tensors.items()}, tensors.__getitem__)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("images", "lstm"), [(3, False), (1, False), (1, True), (3, True)])
def test_srn_deblur_variables_become_our_network(images, lstm, training):
    tensors = srn_deblur(images, lstm, training=training)
    network = restore_network(*convert_srn_deblur(variables(tensors)))
    assert network.config == ScaleRecurrentConfig(
        channels=(4, 6, 8),
        cell="conv-lstm" if lstm else "none",
        pyramid="bilinear-legacy",
        resize="bilinear-legacy",
        padding="same",
        border="edge",
        image_channels=images,
    )
    body = network.bodies[0]
    assert body.down1.weight[5, 1, 2, 3] == tensors["g_net/enc2_1/weights"][2, 3, 1, 5]
    assert body.up2.weight[7, 4, 1, 2] == tensors["g_net/dec2_4/weights"][1, 2, 4, 7]
    assert body.decoder3[0].conv2.weight[1, 2, 3, 4] == tensors["g_net/dec3_3/conv2/weights"][3, 4, 2, 1]
    assert torch.equal(body.encoder1[2].conv1.bias, tensors["g_net/enc1_4/conv1/biases"])
    assert restore(network, torch.rand(1, 3, 20, 30)).isfinite().all()


@pytest.mark.parametrize(("images", "lstm", "count"), [(3, False, 6_881_251), (1, True, 8_056_609)])
def test_the_official_sizes_have_the_known_counts(images, lstm, count):
    config, state_dict = convert_srn_deblur(variables(srn_deblur(images, lstm, channels=(32, 64, 128))))
    assert sum(tensor.numel() for tensor in state_dict.values()) == count
    assert restore_network(config, state_dict).config.channels == (32, 64, 128)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("g_net/dec1_0/biases"), 'model "color".*missing: g_net/dec1_0/biases'),
        (lambda t: t.update({"g_net/enc4_1/weights": torch.zeros(1)}), "unknown: g_net/enc4_1/weights"),
        (lambda t: t.update({"g_net/dec1_4/weights": torch.zeros(4, 4, 6, 4)}), r"expected shape \(4, 4, 4, 6\)"),
        (lambda t: t["g_net/dec1_0/biases"].fill_(float("inf")), "not finite"),
        (lambda t: t.pop("g_net/enc1_1/weights"), "not the network of SRN-Deblur"),
    ],
)
def test_another_network_of_tensorflow_is_refused_by_name(change, message):
    tensors = srn_deblur()
    change(tensors)
    with pytest.raises(ConversionError, match=message):
        convert_srn_deblur(variables(tensors))


def test_a_tensorflow_checkpoint_is_found_by_any_of_its_names(tmp_path):
    prefix = tmp_path / "deblur.model-523000"
    names = [f"{prefix}{suffix}" for suffix in (".index", ".data-00000-of-00001", ".meta")]
    for name in names:
        Path(name).write_bytes(b"")
    for path in (prefix, *map(Path, names), tmp_path):
        assert find_prefix(path) == prefix
    assert find_prefix(tmp_path / "deblur.model-1") is None
    (tmp_path / "deblur.model-9.index").write_bytes(b"")
    with pytest.raises(ConversionError, match="several TensorFlow checkpoints"):
        find_prefix(tmp_path)
    with pytest.raises(ConversionError, match=r"model-9\.data-00000-of-00001 is missing"):
        find_prefix(tmp_path / "deblur.model-9")


def test_without_tensorflow_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    for suffix in (".index", ".data-00000-of-00001"):
        (tmp_path / f"model{suffix}").write_bytes(b"")
    with pytest.raises(ConversionError, match=r"pip install -e"):
        convert(tmp_path / "model")
    with pytest.raises(ConversionError, match="single value range"):
        convert(tmp_path / "model", value_range=255)


@pytest.fixture
def tensorflow():
    return pytest.importorskip("tensorflow", reason='needs TensorFlow: pip install -e ".[tensorflow]"').compat.v1


def generator(tf, images, lstm, blurry):
    """SRN-Deblur's network as it is described, built with TensorFlow, under the official variables' names."""
    initialiser = tf.glorot_uniform_initializer(seed=0)

    def variable(name, shape):
        return tf.get_variable(
            name, shape, initializer=initialiser if len(shape) > 1 else tf.constant_initializer(0.02)
        )

    def convolution(x, name, kernel, channels, stride=1):
        with tf.variable_scope(name):
            weights = variable("weights", (kernel, kernel, int(x.shape[3]), channels))
            return tf.nn.conv2d(x, weights, stride, "SAME") + variable("biases", (channels,))

    def transposed(x, name, channels):
        with tf.variable_scope(name):
            weights = variable("weights", (4, 4, channels, int(x.shape[3])))
            size = (int(x.shape[0]), 2 * int(x.shape[1]), 2 * int(x.shape[2]), channels)
            return tf.nn.relu(tf.nn.conv2d_transpose(x, weights, size, 2, "SAME") + variable("biases", (channels,)))

    def blocks(x, names, channels):
        for name in names:
            with tf.variable_scope(name):
                x = x + convolution(tf.nn.relu(convolution(x, "conv1", 5, channels)), "conv2", 5, channels)
        return x

    def resized(x, height, width):
        return tf.image.resize_bilinear(x, (height, width), align_corners=False, half_pixel_centers=False)

    _, height, width, _ = (int(side) for side in blurry.shape)
    cell = hidden = None
    output, outputs = blurry, []
    for scale in (4, 2, 1):
        h, w = height // scale, width // scale
        with tf.variable_scope("g_net", reuse=tf.AUTO_REUSE):
            x = tf.concat([resized(blurry, h, w), tf.stop_gradient(resized(output, h, w))], 3)
            features = []
            for level, channels in enumerate((32, 64, 128), start=1):
                x = tf.nn.relu(convolution(x, f"enc{level}_1", 5, channels, 1 if level == 1 else 2))
                x = blocks(x, [f"enc{level}_{n}" for n in (2, 3, 4)], channels)
                features.append(x)
            if lstm:
                cell, hidden = (tf.zeros_like(x) if s is None else resized(s, h // 4, w // 4) for s in (cell, hidden))
                with tf.variable_scope("convLSTM"):
                    gates = convolution(tf.concat([x, hidden], 3), "LSTM_conv", 3, 4 * 128)
                i, j, f, o = tf.split(gates, 4, 3)
                cell = cell * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
                x = hidden = tf.tanh(cell) * tf.sigmoid(o)
            x = blocks(x, ("dec3_3", "dec3_2", "dec3_1"), 128)
            x = blocks(transposed(x, "dec2_4", 64) + features[1], ("dec2_3", "dec2_2", "dec2_1"), 64)
            x = blocks(transposed(x, "dec1_4", 32) + features[0], ("dec1_3", "dec1_2", "dec1_1"), 32)
            output = convolution(x, "dec1_0", 5, images)
        outputs.append(output)
    return outputs


@pytest.mark.reference
@pytest.mark.parametrize(("images", "lstm"), [(3, False), (1, False), (1, True)], ids=["color", "gray", "lstm"])
def test_a_tensorflow_checkpoint_gives_what_the_tensorflow_graph_gives(tensorflow, tmp_path, images, lstm):
    tf = tensorflow
    torch.manual_seed(0)
    image = torch.rand(1, 3, 64, 96)
    batch = image.permute(0, 2, 3, 1) if images == 3 else image.permute(1, 2, 3, 0)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(0)
        blurry = tf.constant(batch.numpy())
        step = tf.Variable(0, dtype=tf.int32, trainable=False)
        outputs = generator(tf, images, lstm, blurry)
        loss = sum(tf.reduce_mean(tf.square(output)) for output in outputs)
        train = tf.train.AdamOptimizer(1e-4).minimize(loss, step)
        session.run(tf.global_variables_initializer())
        session.run(train)
        tf.train.Saver().save(session, str(tmp_path / "deblur.model"), global_step=523000)
        expected = session.run(outputs)[::-1]
    checkpoint = convert(tmp_path)
    assert checkpoint.provenance.step == 1
    network = restore_network(checkpoint.config, checkpoint.state_dict)
    for output, reference in zip(network(network.pyramid(image)), expected, strict=True):
        reference = torch.from_numpy(reference).permute((0, 3, 1, 2) if images == 3 else (3, 0, 1, 2))
        difference = float((output - reference).abs().max() / reference.abs().max())
        assert difference < 1e-5, difference


@pytest.mark.reference
def test_damaged_tensorflow_files_are_refused(tensorflow, tmp_path):
    tf = tensorflow
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("g_net/enc1_1/weights", (5, 5, 6, 4))
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(tmp_path / "model"))
    with pytest.raises(ConversionError, match="not the network of SRN-Deblur"):
        convert(tmp_path / "model")
    index = tmp_path / "model.index"
    content = index.read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 1):
        index.write_bytes(content[:length])
        with pytest.raises(ConversionError, match="cannot be read as a TensorFlow checkpoint"):
            convert(tmp_path / "model")
