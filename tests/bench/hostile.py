"""The section of the table with texts on which drafting could make decoding slower."""
import random
import re

import drafts
from run import SAMPLED

COUNT = 4       # texts of a kind
HABIT = 50      # tokens after which the habit changes
ENGLISH = ("The harbour was quiet that morning. A few men stood near the boats and talked about the weather, and the "
           "oldest of them said that the wind would turn before noon. Nobody believed him, but all of them waited.")
GERMAN = ("Am Nachmittag kam der Regen. Die Kinder liefen nach Hause, die Boote blieben im Hafen, und der alte Mann "
          "lachte, weil er es schon am Morgen gewusst hatte. In der Nacht wurde es so kalt, dass")
SPANISH = ("Por la tarde llegó la lluvia. Los niños corrieron a casa, los barcos se quedaron en el puerto, y el viejo "
           "se reía porque lo sabía desde la mañana. Durante la noche hizo tanto frío que")
FRENCH = ("L'après-midi, la pluie arriva. Les enfants rentrèrent en courant, les bateaux restèrent au port, et le "
          "vieil homme riait parce qu'il le savait depuis le matin. Pendant la nuit il fit si froid que")


def random_ids(run):
    """Texts of random tokens of the model's vocabulary."""
    embedding = re.search(r"token_embd\.weight .*\[\d+, (\d+)\]", run.programs.run("recycling-inspect", run.small))
    if not embedding:
        raise ValueError(f"recycling-inspect {run.small}: got no token_embd.weight, expected it with its shape")
    draw = random.Random(1)
    ids = [[draw.randrange(int(embedding[1])) for _ in range(150)] for _ in range(COUNT)]
    # Newlines would separate texts, so each text is detokenized by itself.
    return [run.programs.run("recycling-inspect", run.small, "detokenize",
                             stdin=run.write("ids.txt", f"{one}\n")).replace("\0", " ").strip() for one in ids]


def new_language(_):
    """Texts whose second half is in another language."""
    return [f"{ENGLISH} {second}" for second in (GERMAN, SPANISH, FRENCH, f"{GERMAN} {SPANISH}")]


def habits(run):
    """Texts that drafts guess well and texts that they do not, in turn."""
    draw = random.Random(2)
    counting = ", ".join(map(str, range(1, 40))) + ","
    digits = " ".join(str(draw.randrange(10**6)) for _ in range(30))
    code = "".join(f"def add_{i}(x):\n    return x + {i}\n\n\n" for i in range(1, 8))
    return [counting, random_ids(run)[0], code, digits, "la la la " * 20, GERMAN]


KINDS = {"random tokens": (random_ids, None), "a new language in the middle": (new_language, None),
         f"a new habit every {HABIT} tokens": (habits, HABIT)}


def measure_hostile(run, section, count):
    """Each round decodes all texts of a kind in both ways, with a new seed. Drafter, gateway and guard are kept."""
    found, cells = {}, []
    with run.cluster("hostile", run.small) as cluster:
        for kind, (texts, tokens) in KINDS.items():
            path = run.write_prompts("hostile.jsonl", [{"prompt": text} for text in texts(run)])
            gateway, rounds = cluster.fresh(), []
            for seed in run.rounds(kind, count):
                got = gateway.bench(path, min(tokens or run.a.tokens, run.a.tokens), SAMPLED, seed, "auto",
                                    {"sampling": {"ignoreEos": True}})
                rounds.append([drafts.compact(pair) for pair in got])
            section.raw[kind] = rounds
            found[kind] = drafts.ratio_of_rounds(rounds)
            pairs = sum(rounds, [])
            cells.append([kind, count, found[kind].text(), drafts.mean_accepted_tokens(pairs).text(),
                          f"{drafts.nodes(pairs):.1f}"])
    worst = min(found, key=lambda kind: found[kind].median)
    section.set("hostile", found[worst], f"{worst}, the worst; median of {count} pairs of rounds")
    section.detail("Hostile texts, small model, temperature 0.6",
                   ["text", "pairs of rounds", "ratio", "MAT", "nodes a step"], cells)
