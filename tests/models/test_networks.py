"""Networks: what a clip is answered does not hang on its neighbours, pooling by hand, and LSTMs as ONNX's operator."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from emotone.features.graph import module_graph
from emotone.models.deep import networks
from emotone.models.deep.networks import AttentiveStatistics, Recurrent, frame_mask, mean_and_deviation

pytestmark = pytest.mark.slow

ON_MFCC = (networks.CnnBiLstm, networks.Lstm, networks.Cnn1d)
ON_LOG_MEL = (networks.Cnn2d, networks.ResNet)
NETWORKS = (*ON_MFCC, *ON_LOG_MEL)
EMBEDDING = {
    networks.CnnBiLstm: 384,
    networks.Lstm: 128,
    networks.Cnn1d: 512,
    networks.Cnn2d: 128 * 16,
    networks.ResNet: 256,
}
N_CLASSES = 5
LENGTHS = (13, 14, 15, 16, 17, 29, 40, 63, 64)


def columns(kind: type) -> int:
    return 120 if kind in ON_MFCC else 128


def built(kind: type, *, seed: int = 0) -> networks.FrameNetwork:
    """A network whose batch norms have learnt something: fresh ones would let zeros through as zeros."""
    torch.manual_seed(seed)
    network = kind(columns(kind), N_CLASSES)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for values in (module.weight.data, module.running_var):
                values.uniform_(0.5, 1.5)
            for values in (module.bias.data, module.running_mean):
                values.uniform_(-0.5, 0.5)
    return network.eval()


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda kind: kind.__name__)
def network(request) -> networks.FrameNetwork:
    return built(request.param)


def clips(network: networks.FrameNetwork, lengths=LENGTHS) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(length, columns(type(network)), generator=generator) for length in lengths]


def batch_of(some: list[torch.Tensor], *, n_frames: int, padding: float) -> tuple[torch.Tensor, torch.Tensor]:
    batch = torch.full((len(some), n_frames, some[0].shape[1]), padding)
    for row, clip in enumerate(some):
        batch[row, : len(clip)] = clip
    return batch, torch.tensor([len(clip) for clip in some])


@pytest.mark.parametrize("padding", [0.0, 7.0])
@pytest.mark.parametrize("n_frames", [64, 65, 101])
@torch.inference_mode()
def test_padding_and_neighbours_change_no_answer(network, n_frames, padding):
    """Whatever stands in the padding: standardised zeros are no zeros."""
    some = clips(network)
    together = network(*batch_of(some, n_frames=n_frames, padding=padding))
    alone = torch.cat([network(clip[None]) for clip in some])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    assert (alone[:-1] - alone[-1]).abs().max(dim=1).values.min() > 1e-3  # the answers are not all the same


@torch.inference_mode()
def test_a_single_clip_with_its_length_is_a_single_clip(network):
    for clip in clips(network, (13, 50)):
        torch.testing.assert_close(network(clip[None], torch.tensor([len(clip)])), network(clip[None]))


@torch.inference_mode()
def test_forward_is_the_head_of_the_embedding(network):
    frames, lengths = batch_of(clips(network), n_frames=64, padding=0.0)
    embedding = network.embed(frames, lengths)
    assert embedding.shape == (len(LENGTHS), EMBEDDING[type(network)])
    assert network(frames, lengths).shape == (len(LENGTHS), N_CLASSES)
    torch.testing.assert_close(network.head(embedding), network(frames, lengths), atol=0, rtol=0)


@torch.inference_mode()
def test_the_last_frame_counts(network):
    """Of odd lengths too, where it has no partner in the pooling."""
    for length in (13, 16, 17, 31):
        (clip,) = clips(network, (length,))
        other = clip.clone()
        other[-1] += 3.0
        assert (network(clip[None]) - network(other[None])).abs().max() > 1e-5, length


def test_every_weight_is_learnt(network):
    frames, lengths = batch_of(clips(network), n_frames=64, padding=0.0)
    network.zero_grad()
    network(frames, lengths).square().sum().backward()
    without = [name for name, weights in network.named_parameters() if weights.grad is None or not weights.grad.any()]
    assert without in ([], ["pool.score.2.bias"])  # one number a channel in all its scores, which softmax takes out


def test_dropout_is_what_the_settings_say(network):
    other = type(network)(columns(type(network)), N_CLASSES, dropout=0.0)
    shares = [module.p for module in other.modules() if isinstance(module, nn.Dropout | nn.Dropout2d)]
    assert set(shares) == {0.0}
    assert all(module.dropout == 0.0 for module in other.modules() if isinstance(module, nn.LSTM))
    usual = [module.p for module in network.modules() if isinstance(module, nn.Dropout | nn.Dropout2d)]
    assert max(usual) == 0.3


def test_mask_marks_a_clips_own_frames():
    mask = frame_mask(torch.zeros(3, 4, 2), torch.tensor([1, 4, 0]))
    assert mask.tolist() == [[1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
    assert mask.dtype == torch.float32
    assert frame_mask(torch.zeros(3, 4, 2), None) is None


def test_mean_and_deviation_of_numbers_by_hand():
    values = torch.tensor([[[1.0, 3.0, 8.0], [5.0, 5.0, 5.0]]])
    found = mean_and_deviation(values, torch.tensor([[[0.5, 0.5, 0.0]]]))
    # 1 and 3: mean 2, deviation 1; a constant has the least deviation, sqrt(1e-5)
    torch.testing.assert_close(found, torch.tensor([[2.0, 5.0, 1.0, 1e-5**0.5]]))
    found = mean_and_deviation(values, torch.tensor([[[0.25, 0.25, 0.5]]]))
    # 0.25 + 0.75 + 4 = 5; 0.25 * 16 + 0.25 * 4 + 0.5 * 9 = 9.5
    torch.testing.assert_close(found, torch.tensor([[5.0, 5.0, 9.5**0.5, 1e-5**0.5]]))


def test_mean_and_deviation_keep_what_is_between_channels_and_time():
    values = torch.randn(2, 3, 4, 9, generator=torch.Generator().manual_seed(0))
    found = mean_and_deviation(values, torch.full((1, 1, 1, 9), 1 / 9))
    assert found.shape == (2, 3, 8)
    torch.testing.assert_close(found[:, :, :4], values.mean(-1))
    torch.testing.assert_close(found[:, :, 4:], values.std(-1, correction=0))


def test_attentive_statistics_of_numbers_by_hand():
    pool = AttentiveStatistics(1, hidden=1)
    first, _, last = pool.score
    with torch.no_grad():
        first.weight.fill_(1.0)
        first.bias.zero_()
        last.weight.fill_(2.0)
        last.bias.fill_(9.0)  # no difference: it is in every frame's score
        values = torch.tensor([[[0.0, 1.0, -2.0, 50.0]]])
        found = pool(values, torch.tensor([[1.0, 1.0, 1.0, 0.0]]))[0].numpy()
    weights = np.exp(2 * np.tanh([0.0, 1.0, -2.0]))
    weights /= weights.sum()
    mean = weights @ [0.0, 1.0, -2.0]
    deviation = np.sqrt(weights @ (np.array([0.0, 1.0, -2.0]) - mean) ** 2)
    np.testing.assert_allclose(found, [mean, deviation], rtol=1e-5)


@torch.inference_mode()
def test_attention_that_sees_no_difference_is_the_plain_mean():
    pool = AttentiveStatistics(2, hidden=3)
    for values in pool.score[2].parameters():
        values.zero_()
    values = torch.randn(1, 2, 7, generator=torch.Generator().manual_seed(0))
    expected = torch.cat([values.mean(-1), values.std(-1, correction=0)], dim=-1)
    torch.testing.assert_close(pool(values, None), expected)


def by_torch(layers: Recurrent, frames: torch.Tensor) -> torch.Tensor:
    """States of a lone clip, (1, T, c) -> (1, T, c'), by one LSTM of torch's that has the same weights."""
    forth, back = layers.stacks[0], layers.stacks[-1]
    if len(layers.stacks) == 1:
        return forth(frames)[0]
    if forth.num_layers > 1:  # torch's own second layer would see both directions of the first
        return torch.cat([forth(frames)[0], back(frames.flip(1))[0].flip(1)], dim=2)
    both = nn.LSTM(forth.input_size, forth.hidden_size, batch_first=True, bidirectional=True)
    weights = dict(forth.state_dict()) | {f"{name}_reverse": value for name, value in back.state_dict().items()}
    both.load_state_dict(weights)
    return both(frames)[0]


@torch.inference_mode()
def test_recurrent_gives_zero_in_padding_and_both_directions_start_at_the_clips_own_ends():
    torch.manual_seed(0)
    layers = Recurrent(3, 4, n_layers=1, bidirectional=True, dropout=0.0)
    values = torch.randn(2, 3, 6)
    states = layers(values, torch.tensor([[1.0] * 6, [1.0] * 4 + [0.0] * 2]))
    assert states.shape == (2, 8, 6)
    assert not states[1, :, 4:].any()
    for row, length in ((0, 6), (1, 4)):
        expected = by_torch(layers, values[row : row + 1, :, :length].transpose(1, 2)).transpose(1, 2)
        torch.testing.assert_close(states[row : row + 1, :, :length], expected)


class _States(nn.Module):
    """Recurrent layers alone, (1, T, c) -> (1, c', T)."""

    def __init__(self, layers: Recurrent) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.layers(frames.transpose(1, 2), None)


def exported(module: nn.Module, n_columns: int) -> onnxruntime.InferenceSession:
    graph = module_graph(
        module,
        {"features": torch.zeros(1, 21, n_columns)},
        length=torch.export.Dim("frames", min=13, max=100_000),
        output_names=["result"],
        what="a module of the tests",
    )
    operators = [node.op_type for node in graph.graph.node]
    n_layers = sum(child.num_layers for child in module.modules() if isinstance(child, nn.LSTM))
    assert operators.count("LSTM") == n_layers  # one operator a layer, of any length; not an unrolled loop
    return onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(("n_layers", "bidirectional"), [(1, False), (2, False), (1, True), (2, True)])
def test_onnx_lstm_gives_torchs_states(n_layers, bidirectional):
    torch.manual_seed(n_layers)
    module = _States(Recurrent(6, 5, n_layers=n_layers, bidirectional=bidirectional, dropout=0.3)).eval()
    for weights in module.parameters():
        weights.data.mul_(2.0)  # far from linear, so that no two gates are alike
    session = exported(module, 6)
    for length in (13, 14, 21, 90):
        frames = torch.randn(1, length, 6)
        with torch.inference_mode():
            expected = by_torch(module.layers, frames).transpose(1, 2)
        (found,) = session.run(None, {"features": frames.numpy()})
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", [networks.Lstm, networks.CnnBiLstm])
def test_graph_of_a_recurrent_network_gives_its_logits(kind):
    module = built(kind)
    session = exported(module, columns(kind))
    for clip in clips(module, (13, 14, 15, 40, 200)):
        with torch.inference_mode():
            expected = module(clip[None]).numpy()
        (found,) = session.run(None, {"features": clip[None].numpy()})
        np.testing.assert_allclose(found, expected, atol=2e-5)
