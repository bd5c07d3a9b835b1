"""The shipped vocabulary is whole and well formed; a broken one is refused in one sentence."""

import pytest

from animatrix_data.taxonomy import FIELDS, load_vocabulary
from animatrix_data.taxonomy.vocabulary import find_field, read_vocabulary

COUNTS = {
    "VideoStyle": 11,
    "MotionStyle": 10,
    "MotionType": 48,
    "Emotion": 20,
    "MotionAmplitude": 3,
    "MotionSpeed": 3,
    "ShotScale": 5,
    "ShotAngle": 5,
    "CameraMotion": 12,
}
TABLE_10 = """
    single drop, streaming flow, splashing spray, Vein Pop, nose steam puff, shark teeth, cat fangs,
    spiral eyes, starry eyes, heart eyes, money-sign eyes, white triangle eyes, dead-fish eyes,
    waterfall tears, single teardrop, corner-eye glistening, question mark, exclamation mark,
    lightbulb, musical notes, storm cloud, three overhead lines, blush lines, blush circles,
    crow gag, nose bubble, Dark Face, shadow mask, charred face, smoke head, melting face,
    twitching mouth, SD form, chibi form, flat character, petrified, statue pose, spiritless,
    exclamation burst, eye-tail flame, saliva spray, anticipation, follow-through, slow-in,
    slow-out, hold pose, snap, smear frame, squash & stretch, overshoot, impact pose,
    kinetic motion, linear speed lines, curved speed lines, radial speed lines, afterimage,
    motion blur, motion lines, zip ribbons, smears, exaggeration lines, impact burst lines,
    impact flash, impact frame, focus lines, light beam, light wave, aura, energy sphere,
    energy array, highlight glow, electric shock, lightning strike, flame trail, fire breath,
    energy explosion, magic circle, barrier, gunshot muzzle flash, rain, light rain, heavy rain,
    thunder rain, snow, blizzard, fog, mist, sandstorm, starry night, meteor shower, god rays,
    kira-kira sparkles, falling petals, falling leaves, particles, dream bubbles,
    emotional background, bubble background, gradient light pillar, abstract pattern background,
    silhouette backdrop, explosion, smoke, dust clouds, shattering, debris scatter, splash,
    ground crack, ground collapse, building collapse, whirlpool, vortex
"""


def test_the_whole_vocabulary_is_there():
    vocabulary = load_vocabulary()
    assert {f: len(vocabulary.of_field(f)) for f in COUNTS} == COUNTS
    assert len(vocabulary.of_field("VFX")) >= 94
    for name in TABLE_10.split(","):
        assert vocabulary.lookup("VFX", name.strip()).field == "VFX"
    assert len({term.category for term in vocabulary.of_field("VFX")}) == 7
    assert len({term.category for term in vocabulary.of_field("MotionType")}) == 7
    levels = [term.category for term in vocabulary.of_field("Emotion")]
    assert levels.count("basic") == levels.count("complex") == 10


def test_ids_are_one_to_n_in_order():
    vocabulary = load_vocabulary()
    assert [vocabulary.ids[term.key] for term in vocabulary.terms] == list(
        range(1, len(vocabulary.terms) + 1)
    )
    assert vocabulary.term(1).name == "2D Japanese Anime"
    with pytest.raises(ValueError, match="run from 1 to"):
        vocabulary.term(0)


def test_ids_of_trained_checkpoints_do_not_move():
    ids = load_vocabulary().ids
    assert ids["VideoStyle", None, "Shinkai Style"] == 9
    assert ids["CameraMotion", None, "Pan"] == 108
    assert ids["VFX", "Environmental Atmosphere", "Rain"] == 194


def test_every_term_has_an_alias_and_a_sentence():
    for term in load_vocabulary().terms:
        assert term.aliases, term.name
        assert term.description.endswith("."), term.name
        if term.field == "VFX":
            texts = [term.meaning, term.appearance, term.dynamics, term.scenes]
            assert all(text and len(text) >= 12 for text in texts), term.name


@pytest.mark.parametrize(
    ("field", "text", "name"),
    [
        ("ShotScale", "CU", "Close-Up"),
        ("ShotScale", "close up", "Close-Up"),
        ("ShotScale", "wide", "Long Shot"),
        ("ShotAngle", "birds eye", "Overhead"),
        ("shot_angle", "CANTED", "Dutch Angle"),
        ("CameraMotion", "vertigo shot", "Dolly Zoom"),
        ("VFX", "squash and stretch", "Squash & Stretch"),
        ("VFX", "Environmental/Weather/mist", "Fog"),
        ("VFX", "skill/electric flash", "Electric Flash"),
        ("MotionType", "CQC", "close-quarters combat"),
    ],
)
def test_aliases_lead_to_the_term(field: str, text: str, name: str):
    assert load_vocabulary().lookup(field, text).name == name


def test_every_alias_leads_to_its_own_term():
    vocabulary = load_vocabulary()
    for term in vocabulary.terms:
        for wording in term.wordings:
            assert vocabulary.lookup(term.field, wording.upper(), term.key[1]) == term


@pytest.mark.parametrize(
    ("field", "text", "hint"),
    [
        ("VideoStyle", "Shinkay", "Shinkai Style"),
        ("MotionStyle", "2D Sakkuga", "2D Sakuga"),
        ("VFX", "rein", "Rain"),
        ("VFX", "speed line", "Linear Speed Lines"),
        ("CameraMotion", "wobble", "its values are Static"),
        ("VFX", "electric flash", "Character Performance/Electric Flash"),
        ("shot_tipe", "CU", "ShotScale"),
    ],
)
def test_an_unknown_value_names_what_is_near(field: str, text: str, hint: str):
    with pytest.raises(ValueError, match=hint) as error:
        load_vocabulary().lookup(field, text)
    assert "\n" not in str(error.value)


def test_fields_have_both_spellings():
    assert [find_field(key) for key in ("shot_type", "ShotScale", "camera motion")] == [
        "ShotScale",
        "ShotScale",
        "CameraMotion",
    ]
    assert {find_field(field) for field in FIELDS} == set(FIELDS)


GOOD = """
axis = "S"
[[VideoStyle]]
name = "Ink"
id = 1
aliases = ["brush"]
description = "Ink."
[[VideoStyle]]
name = "Oil"
id = 2
description = "Oil."
"""


def test_a_good_file_is_read():
    assert [term.name for term in read_vocabulary({"a.toml": GOOD}).terms] == ["Ink", "Oil"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "Oil"', 'name = "ink"', "name 'ink' twice"),
        ('name = "Oil"', 'name = "Brush"', "alias 'brush' .* belongs to 'Brush' already"),
        ('id = 2\n', 'id = 2\naliases = ["Brush"]\n', "alias .* belongs to 'Ink' already"),
        ("id = 2", "id = 3", "ids must be 1 to 2"),
        ("id = 2", "id = 1", "ids must be 1 to 2"),
        ('description = "Oil."', "", "description is missing"),
        ('description = "Oil."', 'descripton = "Oil."', "unknown key 'descripton'"),
        ('axis = "S"', 'axis = "X"', "axis must be one of"),
        ('axis = "S"', 'axis = "M"', "no sub-field 'VideoStyle'"),
        ('name = "Oil"', 'name = "Oil, thick"', "holds one of"),
        ("id = 2", "id = '2'", "id must be a number"),
        ("axis =", "axis", "not valid TOML"),
        ("[[VideoStyle]]", "[VideoStyle]", "valid TOML"),
        ("aliases = [\"brush\"]", 'aliases = "brush"', "aliases must be a list of texts"),
    ],
)  # fmt: skip
def test_a_broken_vocabulary_is_refused(old: str, new: str, message: str):
    with pytest.raises(ValueError, match=message):
        read_vocabulary({"a.toml": GOOD.replace(old, new)})


@pytest.mark.parametrize("key", ["category", "subcategory", "meaning", "appearance", "scenes"])
def test_an_effect_needs_its_metadata(key: str):
    keys = ("category", "subcategory", "meaning", "appearance", "dynamics", "scenes")
    lines = [f'{name} = "text"' for name in ("name", "description", *keys) if name != key]
    text = 'axis = "V"\n[[VFX]]\nid = 1\n' + "\n".join(lines)
    with pytest.raises(ValueError, match=f"{key} is missing"):
        read_vocabulary({"a.toml": text})


def test_effects_of_two_categories_may_share_a_name():
    entry = "".join(
        f'{name} = "text"\n'
        for name in ("description", "subcategory", "meaning", "appearance", "dynamics", "scenes")
    )
    text = 'axis = "V"\n' + "".join(
        f'[[VFX]]\nname = "Glow"\nid = {k}\ncategory = "{c}"\n{entry}'
        for k, c in ((1, "A"), (2, "B"))
    )
    assert read_vocabulary({"a.toml": text}).lookup("VFX", "glow", "B").id == 2
    with pytest.raises(ValueError, match="twice"):
        read_vocabulary({"a.toml": text.replace('"B"', '"A"')})
