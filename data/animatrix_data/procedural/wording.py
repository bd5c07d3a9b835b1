"""Words for what the studio draws: places, lights, people, actions, faces, framing, effects.

Every list is of paraphrases; a caption or directive takes one of them. `FIRST` is the phrasebook
that the shipped pocket model learnt, and it stays as it is; `FULL` is everything.
"""

from __future__ import annotations

from dataclasses import dataclass

Words = tuple[str, ...]

FIRST_PLACES: dict[str, Words] = {
    "seaside": ("by the sea", "at the seaside", "on the beach"),
    "city": ("in the city", "on a city street", "downtown"),
    "forest": ("in a forest", "among the trees", "in the woods"),
    "meadow": ("in a meadow", "in a field of flowers", "on green hills"),
    "mountains": ("in the mountains", "below snowy peaks", "high in the mountains"),
    "room": ("in a room", "indoors", "at home"),
}
FIRST_LIGHTS: dict[str, Words] = {
    "morning": ("morning", "early light"),
    "noon": ("noon", "daylight"),
    "sunset": ("sunset", "dusk"),
    "night": ("night", "moonlight"),
}
PLACES: dict[str, Words] = {
    "seaside": (*FIRST_PLACES["seaside"], "at the water's edge", "beside the waves"),
    "city": (*FIRST_PLACES["city"], "between tall buildings", "in town"),
    "forest": (*FIRST_PLACES["forest"], "under the trees", "on a forest path"),
    "meadow": (*FIRST_PLACES["meadow"], "in the grass", "out in the fields"),
    "mountains": (*FIRST_PLACES["mountains"], "on a mountain path", "among the peaks"),
    "room": (*FIRST_PLACES["room"], "in a bedroom", "inside the house"),
    "vista": ("on a hill above a lake", "before a wide view", "high over a lakeside town"),
    "market": ("at a night market", "among market stalls", "under paper lanterns"),
    "shrine": ("at a shrine", "by a shrine's red gates", "on a shrine path"),
    "classroom": ("in a classroom", "at school", "before the blackboard"),
    "rooftop": ("on a rooftop", "on the school roof", "above the city"),
    "kitchen": ("in a kitchen", "by the kitchen counter", "beside the stove"),
    "train": ("on a train", "in a train carriage", "on the way by train"),
    "ruins": ("on a battlefield", "among ruins", "between broken columns"),
}
LIGHTS: dict[str, Words] = {
    "morning": (*FIRST_LIGHTS["morning"], "soft morning sun", "first light"),
    "noon": (*FIRST_LIGHTS["noon"], "bright sun", "midday light"),
    "sunset": (*FIRST_LIGHTS["sunset"], "golden hour", "evening glow"),
    "night": (*FIRST_LIGHTS["night"], "starlight", "a dark sky"),
}
HAIR: dict[str, Words] = {
    "long": ("long {} hair", "{} hair worn long"),
    "short": ("short {} hair", "{} hair cut short"),
    "twin-tailed": ("{} twin tails", "{} hair in twin tails"),
    "spiky": ("spiky {} hair", "{} hair in spikes"),
}
FIRST_HAIR: dict[str, Words] = {name: forms[:1] for name, forms in HAIR.items()}
OUTFITS: dict[str, Words] = {"girl": ("dress", "outfit"), "boy": ("shirt", "top")}

FIRST_TEMPLATES = (
    ("A {person} with {hair} {place}.", "{Pronoun} wears a {outfit}.", "{Light}."),
    ("A {person} in a {outfit} {place}.", "{Pronoun} has {hair}.", "{Light}."),
    ("{Light}: a {person} with {hair}.", "{Pronoun} wears a {outfit}.", "{Place}."),
    ("{Hair}, a {outfit}: a {person}.", "", "{Light} {place}."),
    ("A {person} {place}, {light}.", "{Hair} and a {outfit}.", ""),
    ("{Hair} and a {outfit}, {place}.", "It is a {person}.", "{Light}."),
)
"""Summary, then the subject and the scene of the description, between which tags are named."""
TEMPLATES = (
    *FIRST_TEMPLATES,
    ("{Place}, a {person} in a {outfit}.", "{Hair}.", "{Light}."),
    ("{Place}: a {person} with {hair}.", "The {person} wears a {outfit}.", "{Light}."),
    ("{Light}, {place}.", "A {person}: {hair}, a {outfit}.", ""),
    ("A {outfit} on a {person} with {hair}.", "", "{Place}, {light}."),
    ("The {person} has {hair}.", "A {outfit} suits {object}.", "{Light} {place}."),
    ("A {person} {place}; {light}.", "{Pronoun} has {hair} and a {outfit}.", ""),
)
PAIR_TEMPLATES = (
    ("A {person} with {hair}, and a {other}.", "A {outfit}, a {other_outfit}.", "{Light} {place}."),
    ("A {person} and a {other} {place}.", "{Hair}, a {outfit}; {other_hair}.", "{Light}."),
    ("Two people {place}, {light}.", "A {person}, {hair}, a {outfit}; a {other}.", ""),
    ("{Place}: a {person} in a {outfit}, a {other}.", "{Hair}; {other_hair}.", "{Light}."),
)
"""The same for two figures."""

FIRST_MENTIONS: dict[str, Words] = {
    "VideoStyle": ("Drawn as {}.", "{} look."),
    "MotionStyle": ("{} animation.", "Animated as {}."),
    "MotionType": ("Action: {}.", "The action is {}."),
    "MotionAmplitude": ("Amplitude: {}.",),
    "MotionSpeed": ("Speed: {}.",),
    "ShotScale": ("A {}.", "Framed as a {}."),
    "ShotAngle": ("{}.",),
    "CameraMotion": ("Camera: {}.", "The camera: {}."),
    "VFX": ("With {}.", "{} effect."),
}
MENTIONS: dict[str, Words] = {
    "VideoStyle": ("Drawn as {}.", "In {}.", "Rendered as {}."),
    "MotionStyle": ("Animated as {}.", "It moves as {}.", "Motion style: {}."),
    "MotionType": (*FIRST_MENTIONS["MotionType"], "What happens: {}.", "We see: {}."),
    "Emotion": ("Mood: {}.", "The face shows {}.", "Feeling: {}.", "Expression: {}."),
    "MotionAmplitude": ("Amplitude: {}.", "Range of motion: {}.", "Movement: {}."),
    "MotionSpeed": ("Speed: {}.", "Tempo: {}.", "Pace: {}."),
    "ShotScale": ("Shot: {}.", "Framing: {}.", "{}."),
    "ShotAngle": ("{}.", "Angle: {}.", "View: {}."),
    "CameraMotion": (*FIRST_MENTIONS["CameraMotion"], "Camera move: {}.", "We follow: {}."),
    "VFX": ("With {}.", "Effect: {}.", "{}."),
}
"""Sentence forms by field."""
SEQUENCES: Words = (", then {}", ", followed by {}", ", and after that {}")
"""How one move of the camera follows another."""


@dataclass(frozen=True)
class Phrasebook:
    """The wordings that a directive chooses from, by what they describe.

    placed: whether an effect is named with where it is.
    """

    templates: tuple[tuple[str, str, str], ...]
    places: dict[str, Words]
    lights: dict[str, Words]
    hair: dict[str, Words]
    mentions: dict[str, Words]
    sequences: Words
    placed: bool


FIRST = Phrasebook(
    FIRST_TEMPLATES, FIRST_PLACES, FIRST_LIGHTS, FIRST_HAIR, FIRST_MENTIONS, SEQUENCES[:1], False
)
FULL = Phrasebook(TEMPLATES, PLACES, LIGHTS, HAIR, MENTIONS, SEQUENCES, True)

ACTIONS: dict[str, Words] = {
    "stand": ("stands still", "stands and breathes quietly"),
    "walk": ("walks along", "strolls by"),
    "run": ("runs", "sprints along"),
    "jump": ("jumps", "leaps into the air"),
    "turn": ("turns on the spot", "spins around"),
    "sit": ("sits down", "sits"),
    "fall": ("falls", "tumbles down"),
    "climb": ("climbs", "clambers upwards"),
    "fly": ("flies", "soars through the air"),
    "swim": ("swims", "moves through water"),
    "talk": ("talks", "speaks"),
    "laugh": ("laughs", "giggles with shaking shoulders"),
    "sob": ("sobs", "weeps with heaving shoulders"),
    "nod": ("nods", "bows the head again and again"),
    "shout": ("shouts", "yells at the top of the voice"),
    "gaze": ("gazes ahead", "looks into the distance"),
    "eat": ("eats", "has a meal"),
    "drink": ("drinks", "takes a sip"),
    "write": ("writes", "takes notes"),
    "wave": ("waves", "raises a hand and waves"),
    "point": ("points ahead", "points a finger"),
    "dress": ("puts on clothes", "gets dressed"),
    "hold": ("holds something", "carries something"),
    "combat dash": ("dashes into battle", "charges"),
    "close-quarters combat": ("fights hand to hand", "trades blows"),
    "strike": ("strikes", "throws a punch"),
    "kick": ("kicks", "lands a high kick"),
    "weapon swing": ("swings a weapon", "slashes"),
    "block": ("blocks", "raises a guard"),
    "dodge": ("dodges", "sidesteps"),
    "shoot": ("shoots", "takes aim and fires"),
    "cast": ("casts a spell", "calls up magic"),
    "lunge": ("lunges forward", "thrusts ahead"),
    "dance": ("dances", "goes through a dance"),
    "instrument": ("plays an instrument", "makes music"),
    "ball game": ("plays ball", "handles a ball"),
    "ride": ("rides", "rides along"),
    "gait": ("paces like an animal", "pads along"),
    "flight": ("beats its wings", "flies on wings"),
    "drive": ("drives", "drives along"),
    "mecha transform": ("transforms", "unfolds into a machine"),
    "secondary motion": ("lets hair and cloth stream", "stands in the wind"),
    "hug": ("hugs {other}", "embraces {other}"),
    "hand over": ("hands something to {other}", "passes something on to {other}"),
    "chase": ("runs from {other}, who gives chase", "is chased by {other}"),
    "duel": ("duels with {other}", "faces {other} in a fight"),
    "group formation": ("stands in formation with {other}", "poses beside {other}"),
    "crowd": ("moves in a crowd with {other}", "stands in a crowd around {other}"),
}
"""What a subject does, by MotionType."""

FACES: dict[str, Words] = {
    "happiness": ("a happy smile", "beaming", "cheerful"),
    "excitement": ("thrilled, eyes wide and shining", "excited", "eager"),
    "sadness": ("sad, brows drawn up", "sorrowful", "downcast"),
    "crying": ("crying", "in tears", "tears running down"),
    "anger": ("angry, brows drawn down", "furious", "glaring"),
    "confusion": ("confused", "puzzled, one brow up", "at a loss"),
    "disgust": ("disgusted", "recoiling, mouth twisted", "revolted"),
    "surprise": ("surprised, eyes and mouth open", "astonished", "taken aback"),
    "fear": ("afraid, pupils small", "terrified", "frightened"),
    "contempt": ("contemptuous", "a scornful half smile", "sneering"),
    "shyness": ("shy, eyes turned away", "bashful", "blushing"),
    "pensiveness": ("pensive", "lost in thought", "thoughtful, eyes lowered"),
    "relief": ("relieved", "breathing out, eyes closed", "at ease again"),
    "melancholy": ("melancholic", "wistful", "quietly sad"),
    "bittersweet": ("a bittersweet smile", "smiling with sad eyes", "torn between joy and loss"),
    "tears-of-joy": ("laughing through tears", "tears of joy", "so happy that tears come"),
    "anxiety": ("anxious", "uneasy, lips pressed", "nervous"),
    "jealousy": ("jealous", "envious, a side glance", "sulking"),
    "pride": ("proud, chin raised", "a proud smile", "full of pride"),
    "gloom": ("gloomy, a shadow over the eyes", "dejected", "dark of mood"),
}
"""How a face looks, by Emotion."""
CALM_FACES: Words = ("neutral", "calm", "composed")

STANDPOINTS: dict[str, Words] = {
    "Extreme Close-Up": ("So near that the face fills the frame.", "Face to the edges."),
    "Close-Up": ("Head and shoulders fill the frame.", "Close to the camera, in the middle."),
    "Medium Shot": ("In the middle, from the waist up.", "Centrally positioned, half length."),
    "Full Shot": ("In the middle, from head to foot.", "Centrally positioned, full length."),
    "Long Shot": ("Small in the middle of the scene.", "Far off, in the centre."),
}
"""Where the subject stands, by ShotScale."""
BESIDE: Words = ("Beside the first.", "Next to the other.", "To the side of the first.")

REGIONS: dict[str, Words] = {
    "frame": ("across the whole frame", "over the picture", "everywhere"),
    "background": ("behind the figure", "in the background"),
    "ground": ("about the feet", "on the ground"),
    "figure": ("around the figure", "on the body"),
    "head": ("at the head", "about the head"),
}
"""Where an effect is, by its region."""
