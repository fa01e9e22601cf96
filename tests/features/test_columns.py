"""Columns of features: names, groups and units of every extractor."""

import numpy as np
import pytest

from emotone.features.columns import OTHER, Descriptor, FeatureColumn, by_group, numbered, plain
from emotone.features.encoders import pooling
from emotone.features.frames import LogMel, MfccFrames
from emotone.features.functionals import Functionals
from emotone.features.opensmile import column


@pytest.fixture(scope="module")
def functionals() -> tuple[FeatureColumn, ...]:
    return Functionals().columns


def test_every_standard_feature_has_a_group(functionals):
    groups = by_group(functionals)
    assert OTHER not in groups
    assert sorted(np.concatenate(list(groups.values())).tolist()) == list(range(len(functionals)))
    assert {group: len(places) for group, places in groups.items()} == {
        "MFCC": 1020,
        "mel bands": 576,
        "chroma": 24,
        "spectral contrast": 24,
        "pitch": 42,
        "energy": 33,
        "spectral shape": 264,
        "voice quality": 33,
        "rhythm": 6,
    }


def test_every_standard_feature_has_a_unit(functionals):
    units = {feature.name: feature.unit for feature in functionals}
    assert all(units.values())
    expected = {
        "pitch_q95-voiced": "semitones over 100 Hz",
        "pitch_std": "semitones",
        "pitch_slope-voiced": "semitones a clip",
        "pitch-delta_mean": "semitones a frame",
        "pitch_mod2": "log of semitones²",
        "centroid_mean": "kHz",
        "level-delta_std": "dB a frame",
        "band10_mod2": "log of dB²",
        "mfcc03-delta2_mean-voiced": "dB (cepstrum) a frame²",
        "rhythm_voiced-run-s": "s",
    }
    assert {name: units[name] for name in expected} == expected


def test_a_name_is_descriptor_and_statistic(functionals):
    assert all(feature.name == f"{feature.descriptor}_{feature.statistic}" for feature in functionals)
    named = {feature.name: feature for feature in functionals}
    assert named["mfcc03-delta_std-voiced"][1:4] == ("mfcc03-delta", "std-voiced", "MFCC")
    assert [named[name].group for name in ("level_q95", "level-low_mean")] == ["energy", "spectral shape"]


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("F0semitoneFrom27.5Hz_sma3nz_percentile50.0", "pitch"),
        ("F0semitoneFrom27.5Hz_sma3nz_amean", "pitch"),
        ("F0final_sma_quartile1", "pitch"),
        ("F1frequency_sma3nz_amean", "formants"),
        ("F2bandwidth_sma3nz_amean", "formants"),
        ("F1amplitudeLogRelF0_sma3nz_amean", "formants"),
        ("logRelF0-H1-A3_sma3nz_amean", "voice quality"),
        ("HNRdBACF_sma3nz_amean", "voice quality"),
        ("jitterDDP_sma_iqr1-3", "voice quality"),
        ("loudness_sma3_meanRisingSlope", "energy"),
        ("loudnessPeaksPerSec", "rhythm"),
        ("equivalentSoundLevel_dBp", "energy"),
        ("audspec_lengthL1norm_sma_range", "energy"),
        ("audSpec_Rfilt_sma[3]_range", "mel bands"),
        ("StddevUnvoicedSegmentLength", "rhythm"),
        ("slopeV0-500_sma3nz_amean", "spectral shape"),
        ("pcm_fftMag_spectralFlux_sma_de_range", "spectral shape"),
        ("pcm_RMSenergy_sma_range", "energy"),
        ("mfcc4V_sma3nz_amean", "MFCC"),
        ("whatever", OTHER),
    ],
)
def test_columns_of_opensmile_fall_into_groups(name, group):
    assert column(name).group == group
    assert column(name).name == name


def test_names_of_opensmile_are_split_into_descriptor_and_statistic():
    assert column("pcm_fftMag_spectralFlux_sma_de_range")[1:3] == ("pcm_fftMag_spectralFlux", "de_range")
    assert column("F0semitoneFrom27.5Hz_sma3nz_percentile50.0")[1:3] == ("F0semitoneFrom27.5Hz", "percentile50.0")
    assert column("loudnessPeaksPerSec")[1:3] == ("loudnessPeaksPerSec", "")


def test_a_layer_of_an_encoder_is_a_group():
    columns = pooling.columns("whisper-base", (3, 4), width=2, pooling="mean+std")
    assert columns[2] == FeatureColumn("whisper-base-3-std-1", "whisper-base-3-1", "std", "whisper-base-3")
    assert {group: places.tolist() for group, places in by_group(columns).items()} == {
        "whisper-base-3": [0, 1, 2, 3],
        "whisper-base-4": [4, 5, 6, 7],
    }
    frames = pooling.columns("whisper-base", (3,), width=2, pooling="frames")
    assert [frame[:3] for frame in frames] == [
        ("whisper-base-3-1", "whisper-base-3-1", ""),
        ("whisper-base-3-2", "whisper-base-3-2", ""),
    ]


@pytest.mark.parametrize(("kind", "group"), [(LogMel, "mel bands"), (MfccFrames, "MFCC")])
def test_frames_have_a_group_and_a_unit(kind, group):
    assert {column.group for column in kind().columns} == {group}
    assert all(column.unit.startswith("dB") for column in kind().columns)


def test_columns_of_unknown_names_are_one_group():
    assert list(by_group(plain("a", "b"))) == [OTHER]
    assert plain("a") == (FeatureColumn("a", "", "", OTHER, ""),)


def test_numbers_are_padded_and_derivatives_change_the_unit():
    assert [descriptor.name for descriptor in numbered("x", 11, "g", "dB")][::10] == ["x00", "x10"]
    assert [descriptor.name for descriptor in numbered("x", 10, "g", "dB")][:2] == ["x0", "x1"]
    pitch = Descriptor("pitch", "pitch", "Hz over 100", "Hz")
    assert pitch.derivative(2) == Descriptor("pitch-delta2", "pitch", "Hz a frame²")
    assert pitch.column("std", "{difference}").unit == "Hz"
    assert pitch.column("q50").unit == "Hz over 100"
