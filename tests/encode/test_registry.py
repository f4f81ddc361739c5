"""What can be loaded is told without a network, and sizes without memory."""

import pytest

import anisoalign_core as aa
from anisoalign_core.encode import registry


def test_models_are_those_of_open_clip_with_their_tags():
    import open_clip

    models = {one.name: one for one in aa.encode.available_models()}
    assert list(models) == open_clip.list_models()
    plain = models["ViT-B-32"]
    assert (plain.dim, plain.image_size, plain.context_length) == (512, (224, 224), 77)
    assert list(plain.tags) == open_clip.list_pretrained_tags_by_model("ViT-B-32")
    assert "openai" in plain.tags


@pytest.mark.parametrize(
    ("pattern", "has", "has_not"),
    [("vit-b-32", "ViT-B-32-256", "ViT-B-16"), ("RN?0", "RN50", "RN50x4"), ("rn*", "RN50x4", "x")],
)
def test_patterns_are_parts_of_names_or_whole_ones(pattern, has, has_not):
    names = [one.name for one in aa.encode.available_models(pattern)]
    assert has in names
    assert has_not not in names
    assert len(names) < len(aa.encode.available_models())


def test_parameters_are_counted_as_in_the_real_model(tiny_architecture):
    import open_clip

    for name in (tiny_architecture, "ViT-S-32-alt"):
        real = open_clip.create_model(name, pretrained=None)
        (told,) = (one for one in aa.encode.available_models(name) if one.name == name)
        assert told.parameters == sum(weights.numel() for weights in real.parameters())


def test_counting_takes_no_memory_for_the_largest():
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert registry.parameter_count("ViT-e-14") > 4e9  # 16 GB, were it built
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 1e9


def test_what_needs_a_package_says_so(monkeypatch):
    found = registry.importlib.util.find_spec
    absent = ("timm", "transformers")
    monkeypatch.setattr(
        registry.importlib.util, "find_spec", lambda name: None if name in absent else found(name)
    )
    registry._all_models.cache_clear()
    registry.parameter_count.cache_clear()
    try:
        models = {one.name: one for one in aa.encode.available_models()}
        assert models["ViT-B-16-SigLIP"].missing == ("timm", "transformers")
        assert models["convnext_base"].missing == ("timm",)
        assert models["convnext_base"].parameters is None
        assert "pip install timm" in models["convnext_base"].note
        assert models["roberta-ViT-B-32"].missing == ("transformers",)
        assert (models["ViT-B-32"].missing, models["ViT-B-32"].note) == ((), "")
        with pytest.raises(aa.AnisoAlignError, match=r"convnext_base needs timm, which is not"):
            aa.encode.load_encoder("convnext_base", checkpoint="any.safetensors")
    finally:
        registry._all_models.cache_clear()


def test_a_tower_of_the_hub_is_not_counted():
    (model,) = (one for one in aa.encode.available_models("roberta-ViT-B-32") if one.name[0] == "r")
    assert model.parameters is None
    with pytest.raises(aa.AnisoAlignError, match=r"hub alone can tell"):
        registry.parameter_count("roberta-ViT-B-32")


def test_an_unknown_name_is_answered_with_the_nearest():
    from anisoalign_core.errors import ParameterError

    with pytest.raises(ParameterError, match=r'no architecture "vit-b32".*ViT-B-32.*--list-models'):
        aa.encode.load_encoder("vit-b32", "openai")
    with pytest.raises(ParameterError, match=r'no architecture "zzzz"\. available_models'):
        aa.encode.load_encoder("zzzz", "openai")


def test_an_unknown_tag_is_answered_with_the_known_ones(tiny_architecture):
    from anisoalign_core.errors import ParameterError

    with pytest.raises(ParameterError, match=r'RN50x4 has no weights.*"laion".*it has: openai'):
        aa.encode.load_encoder("RN50x4", "laion")
    with pytest.raises(ParameterError, match=r"no published weights of tiny-vit"):
        aa.encode.load_encoder(tiny_architecture, "laion")


@pytest.mark.parametrize(
    "config",
    [
        {"embed_dim": 8, "audio_cfg": {"layers": 2}, "text_cfg": {}},
        {"embed_dim": "wide", "vision_cfg": {}, "text_cfg": {}},
        {"embed_dim": 8, "vision_cfg": {"image_size": [1]}, "text_cfg": {}},
        {"embed_dim": 8, "vision_cfg": None, "text_cfg": {}},
    ],
)
def test_a_configuration_of_another_kind_is_listed_as_such_and_harms_no_other(
    config, tiny_architecture, monkeypatch, capsys
):
    from open_clip import factory

    from anisoalign_core.cli import main
    from anisoalign_core.errors import AnisoAlignError

    monkeypatch.setitem(factory._MODEL_CONFIGS, "sounds", config)
    models = {one.name: one for one in aa.encode.available_models()}
    assert models[tiny_architecture].understood
    assert not models["sounds"].understood
    assert models["sounds"].parameters is None
    assert "not a model of images and texts" in models["sounds"].note
    assert main(["encode", "--list-models", "sounds"]) == 0
    assert "not a model of images and texts" in capsys.readouterr().out
    with pytest.raises(AnisoAlignError, match="sounds"):
        aa.encode.load_encoder("sounds", checkpoint="any.safetensors")
