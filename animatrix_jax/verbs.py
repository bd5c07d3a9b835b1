"""The verbs of the `animatrix` command, one entry each.

A verb's flags are the keyword arguments of `run` in the job of the same name.
"""

from dataclasses import dataclass, replace
from typing import Any

METAVARS = {
    "text": "TEXT",
    "model": "MODEL",
    "file": "FILE",
    "folder": "DIR",
    "whole": "N",
    "number": "X",
    "pair": "X[,X]",
    "numbers": "X[,X…]",
    "wholes": "N[,N…]",
    "size": "SIZE",
    "switch": "",
}

LAYOUTS = ("wan", "diffusers", "animatrix")


@dataclass(frozen=True)
class Flag:
    """One flag of a verb: `--name`, handed to the job's `run` as `argument` (default: its name).

    `kind` is a key of METAVARS; with `choices` the value is one of them. A required flag has no
    default.
    """

    name: str
    help: str
    kind: str = "text"
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()
    argument: str = ""

    @property
    def keyword(self) -> str:
        """The keyword argument of the job's `run`."""
        return self.argument or self.name

    @property
    def metavar(self) -> str:
        """What stands for the value in help texts."""
        return "|".join(self.choices) or METAVARS[self.kind]


@dataclass(frozen=True)
class Config:
    """`--config FILE[:ARGUMENT]` and `--config.key=value`, handed to the job's `run`.

    `argument` is the name it is handed over under; `becomes` the dotted name of the dataclass
    made of it, or None where `run` takes the ConfigDict itself.
    """

    help: str
    argument: str = "config"
    becomes: str | None = None
    required: bool = True


@dataclass(frozen=True)
class Verb:
    """One verb: the job of the same name, its positional arguments, its flags, its config."""

    name: str
    help: str
    example: str
    flags: tuple[Flag, ...] = ()
    arguments: tuple[Flag, ...] = ()
    config: Config | None = None


SAMPLERS = (
    "balanced", "distinct", "distinct_faulty", "broken", "moves", "legible", "faulty",
    "long_tail", "rehearsed", "pocket", "seaside",
)  # fmt: skip
SAMPLER = Flag("sampler", f"how tags and places vary: {', '.join(SAMPLERS)}", default="balanced")
MODEL = Flag("model", "model folder, a run's workdir, or pocket (the shipped model)", "model")

LORA_STYLES = ("diffusers", "wan", "kohya")
LATENT_DTYPES = ("float16", "bfloat16")
LAUNCHERS = ("local", "slurm", "jobset", "tpu_vm", "xpk", "sky")
REJECTS = ("both", "winner", "none")
STAGES = ("CT", "SFT", "QT", "DPO")
SOLVERS = ("unipc", "dpmpp", "euler")
GRIDS = ("wan", "wan_dpm", "diffusers", "anchors")
PURPOSES = ("training", "sampling")

VERBS = (
    Verb(
        "draw",
        "Draw a corpus of anime clips in code, with every tag known exactly.",
        'animatrix draw --out runs/corpus --clips 64 --tags "VFX: Rain"',
        flags=(
            Flag("out", "folder of the corpus", "folder"),
            Flag("clips", "how many clips", "whole", 64),
            Flag("size", "clip size: pocket, desk or HEIGHTxWIDTHxFRAMES@FPS", "size", "pocket"),
            Flag("seed", "first seed; the same seed draws the same bytes", "whole", 0),
            Flag("tags", "tags that every clip must carry; the others vary"),
            Flag("faults", "what breaks in every clip, how badly (limb:0.8,freeze:0.5)"),
            SAMPLER,
            Flag("crf", "H.264 quality, 0 is lossless", "whole", 16),
            Flag("pixel_format", "H.264 colours", default="yuv444p"),
            Flag(
                "candidates",
                "clips of every seed: a sound one, and others with faults, for `pairs`",
                "whole",
                1,
            ),
            Flag("processes", "processes to draw with, 0 for one per core", "whole", 2),
            Flag(
                "report",
                "print how the corpus is distributed, beside the paper's shares; without --out "
                "nothing is drawn and the specs alone are counted",
                "switch",
                False,
            ),
            Flag("gallery", "a page with a clip for every tag and fault", "switch", False),
        ),
    ),
    Verb(
        "ingest",
        "Cut a folder of videos into a corpus of clips; what cannot be used is named.",
        "animatrix ingest footage --config configs/pocket/ingest.py --out runs/footage",
        arguments=(Flag("folder", "videos, with optional JSON beside them", "folder"),),
        flags=(
            Flag("out", "folder of the corpus", "folder", required=True),
            Flag("workers", "videos read at once, 0 for one per core", "whole", 0),
        ),
        config=Config(
            "what a video must be and what its clips become (default: studio sizes)",
            argument="settings",
            becomes="animatrix_data.corpus.ingest.IngestSettings",
            required=False,
        ),
    ),
    Verb(
        "balance",
        "Show how a corpus is distributed, and as what balanced sampling draws it.",
        "animatrix balance runs/corpus --alpha 0.7 --plot balance.png",
        arguments=(Flag("corpus", "folder of the corpus", "folder"),),
        flags=(
            Flag("alpha", "how far to flatten: 0 as found, 1 flattest (default: 0.7)", "number"),
            Flag(
                "minimum",
                "least share of the draws for every pair of style and content (default: 0.0005)",
                "number",
            ),
            Flag("epochs", "how often a clip may be drawn at most (default: no bound)", "number"),
            Flag(
                "samples",
                "draws to count epochs over (default: one a clip, or those of the config)",
                "whole",
            ),
            Flag("tiers", "tiers of the clips: S, S,A or S,A,B (default: all)"),
            Flag("stage", "clips that serve this training stage", choices=STAGES),
            Flag("out", "the report to write, JSON", "file"),
            Flag("plot", "a picture of it: .png, .svg or .pdf", "file"),
            Flag("curriculum", "a picture of what is drawn as training goes on", "file"),
        ),
        config=Config(
            "a flow experiment: show what its training draws, in place of what flags say",
            required=False,
        ),
    ),
    Verb(
        "encode",
        "Encode a corpus into cached latents, and texts into cached states.",
        "animatrix encode runs/corpus --model pocket --out runs/latents",
        arguments=(Flag("corpus", "folder of the corpus", "folder"),),
        flags=(
            replace(MODEL, required=True),
            Flag("out", "folder of the cache; an unfinished one goes on", "folder", required=True),
            Flag("batch", "clips encoded at once", "whole", 16),
            Flag("tile", "work on tiles of so many pixels (default: whole frames)", "whole"),
            Flag("edge", "fit clips to the buckets of this edge (default: their shapes)", "whole"),
            Flag("frames", "frames of those buckets, 4n+1 each", "wholes"),
            Flag("stride", "pixels that divide their sides (default: the model's)", "whole"),
            Flag("wordings", "texts a clip to encode, 0 for none", "whole", 0),
            Flag("text_encoder", "model whose text encoder is used (default: MODEL)", "model"),
            Flag("text_length", "most tokens of a text (default: the model's own)", "whole"),
            Flag("seed", "the same seed writes the same texts", "whole", 0),
            Flag("dtype", "what is kept", default="float16", choices=LATENT_DTYPES),
            Flag("process", "which of the processes this is, from 0", "whole", 0),
            Flag("processes", "how many share the work, each in one --process", "whole", 1),
            Flag("strict", "stop at a clip that cannot be used (default: skip)", "switch", False),
            Flag("retry", "try once more what was skipped", "switch", False),
        ),
    ),
    Verb(
        "pairs",
        "Write the preference pairs of a corpus, from what its clips are rated.",
        "animatrix pairs runs/candidates --reject winner --to_label unsure.csv",
        arguments=(Flag("corpus", "folder of the corpus", "folder"),),
        flags=(
            Flag(
                "reject",
                "what a rating below the threshold rules out: the whole pair, a winner, nothing",
                default="both",
                choices=REJECTS,
            ),
            Flag("threshold", "least rating of a sound clip, from 1 to 5", "number", 2.0),
            Flag("margin", "rewards of a pair differ by more than this", "number", 0.0),
            Flag("weights", "of face, limb, line and motion (default: equal)", "numbers"),
            Flag("to_label", "the pairs that experts should decide, CSV", "file"),
        ),
    ),
    Verb(
        "train",
        "Train as a config file says.",
        "animatrix train --config configs/pocket/tune.py:runs/rain --workdir runs/tune",
        config=Config("experiment to run; what follows ':' goes to its get_config"),
        flags=(
            Flag("workdir", "folder of the run; a run in it goes on", "folder", required=True),
            Flag("mesh", "devices of each axis, as in expert=2,fsdp=4 (default: the config's)"),
            Flag("dry_run", "build all, check shapes and sharding, and stop", "switch", False),
            Flag("profile_steps", "FIRST,LAST steps to trace into WORKDIR/profile", "wholes"),
        ),
    ),
    Verb(
        "verify",
        "Check that a run's checkpoints are still the bytes that were saved.",
        "animatrix verify runs/sft",
        arguments=(Flag("folder", "a run's workdir, its checkpoints, or one of them", "folder"),),
    ),
    Verb(
        "generate",
        "Generate a clip from a directive, or from tags and a sentence.",
        'animatrix generate --model pocket --tags "VFX: Rain" --text "a girl waits" --out clip.mp4',
        flags=(
            replace(MODEL, required=True),
            Flag("out", "what to write: .mp4, .gif, or a folder of png", "file", "clip.mp4"),
            Flag("directive", "file with <tag>, <summary> and <description>", "file"),
            Flag("tags", 'production tags: "VideoStyle: Shinkai Style, VFX: Rain"'),
            Flag("text", "what happens, in a sentence or more"),
            Flag("unconditional", "ask for nothing, see what comes", "switch", False),
            Flag("reference", "pictures to hold: FILE[@FRAME],… (first frame: 0, last: -1)"),
            Flag("negative", "text to steer away from (default: the model's own)"),
            Flag("steps", "solver steps (default: the model's own)", "whole"),
            Flag("guidance_text", "strength of the text (default: the model's own)", "pair"),
            Flag("guidance_tag", "strength of the tags (default: the model's own)", "pair"),
            Flag("solver", "how to integrate (default: the model's own)", choices=SOLVERS),
            Flag("grid", "noise levels (default: the model's own)", choices=GRIDS),
            Flag("shift", "flow shift of the noise levels (default: the model's own)", "number"),
            Flag("seed", "the same seed writes the same bytes", "whole", 0),
            Flag("frames", "frames, 4n+1 (default: the model's own)", "whole"),
            Flag("size", "HEIGHTxWIDTH in pixels (default: the model's own)", "size"),
            Flag("tile", "VAE works on tiles of so many pixels (default: whole frames)", "whole"),
            Flag("scale", "enlarge what is written by whole pixels", "whole", 1),
            Flag("mesh", "devices to work on together, as in context=4,tensor=2 (default: one)"),
            Flag("offload", "keep the idle expert in the host's memory", "switch", False),
        ),
    ),
    Verb(
        "evaluate",
        "Measure how well clips, or a model, show what was asked of them.",
        "animatrix evaluate --clips runs/clips --out report.json",
        flags=(
            Flag("clips", "folder of clips that `generate` or `draw` wrote", "folder"),
            Flag("out", "the report to write, JSON", "file", "report.json"),
            replace(MODEL, default="pocket"),
            Flag("oracles", "say how well clips of the studio are read", "switch", False),
            Flag("pairs", "held-out specs and seeds to generate and measure", "whole", 0),
            Flag("references", "start pairs from the studio's first frames", "switch", False),
            Flag("swaps", "tags, texts and seeds to exchange one at a time", "whole", 0),
            Flag("guidance_tag", "for pairs, in turn (default: the model's own)", "numbers"),
            Flag("guidance_text", "for pairs and swaps (default: the model's own)", "number"),
            Flag(
                "steps",
                "solver steps for pairs and swaps (default: 20; a student's own)",
                "whole",
            ),
            Flag("seed", "first seed of what is drawn and generated", "whole", 0),
            Flag("renders", "clips of the studio that the oracles are held against", "whole", 200),
            replace(SAMPLER, default=None),
            Flag("oracle", "folder, workdir or name of the oracle (default: the model's)", "model"),
        ),
    ),
    Verb(
        "convert",
        "Convert a model between Wan's own layout, diffusers' and ours; merge LoRAs on the way.",
        "animatrix convert --to animatrix Wan2.2-T2V-A14B models/t2v",
        arguments=(
            Flag("source", "folder of the model, a run's workdir, or pocket", "folder"),
            Flag("out", "folder to write; an interrupted conversion goes on", "folder"),
        ),
        flags=(
            Flag("to", "layout to write", required=True, choices=LAYOUTS),
            Flag(
                "from",
                "layout of SOURCE (default: seen from its files)",
                choices=LAYOUTS,
                argument="from_layout",
            ),
            Flag("lora", "LoRA files to merge in: FILE[,FILE]"),
            Flag("lora_strength", "strength of all LoRAs, or one each", "numbers", "1"),
            Flag("lora_expert", "both, high or low, for all LoRAs or one each", default="both"),
            Flag("shard_bytes", "most bytes of tensors a file", "whole", 5_000_000_000),
            Flag(
                "dry_run", "check everything, list what would be written, and stop", "switch", False
            ),
        ),
    ),
    Verb(
        "lora",
        "Write what tuning changed in a model's Wan part as a LoRA, for diffusers or ComfyUI.",
        "animatrix lora --model runs/sft --base models/t2v --out tuned.safetensors",
        flags=(
            replace(MODEL, help="the tuned model, in any layout", required=True),
            Flag("base", "the model that it was tuned from, in any layout", "model", required=True),
            Flag("out", "the .safetensors file to write", "file", required=True),
            Flag("rank", "rank of the factors", "whole", 32),
            Flag("style", "key style", default="diffusers", choices=LORA_STYLES),
        ),
    ),
    Verb(
        "plan",
        "Compile a config for a pod that is not there; tell what it takes and whether it fits.",
        "animatrix plan --config configs/studio/sft.py --topology v5p:4x4x4",
        config=Config("experiment to compile; its mesh is that of so many devices"),
        flags=(
            Flag(
                "topology",
                "TPU slice (v5p:4x4x4, v5e:1) or GPUs (h100:8, h100:4x8)",
                required=True,
            ),
            Flag(
                "for", "what to compile", default="training", choices=PURPOSES, argument="purpose"
            ),
            Flag("shape", "clip, FRAMESxHEIGHTxWIDTH (default: the config's last)"),
            Flag("out", "the report to write, JSON", "file"),
        ),
    ),
    Verb(
        "launch",
        "Render what a cluster starts from one small description, or start it on this machine.",
        "animatrix launch launch/examples/pocket_local.toml --to local --run",
        arguments=(Flag("description", "the run and its machine, a TOML file", "file"),),
        flags=(
            Flag("to", "what starts it", required=True, choices=LAUNCHERS),
            Flag("out", "file to write (default: print it)", "file"),
            Flag("run", "for local: start it, too", "switch", False, argument="start"),
        ),
    ),
    Verb(
        "demo",
        "Show the whole at work: draw, train, generate, measure, and a page to look at.",
        "animatrix demo --config configs/pocket/tune.py --out runs/demo",
        flags=(
            Flag("out", "folder of the demo; open its index.html", "folder", "runs/demo"),
            Flag("footage", "folder of videos of your own to start a clip from", "folder"),
        ),
        config=Config("the training, from a model that is there already"),
    ),
)
