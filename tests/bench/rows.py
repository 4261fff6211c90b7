"""The rows of the performance table and their bounds. Some bounds depend on the class of the machine."""
import dataclasses

from figures import Row

SOURCES = ("pairs", "matrix", "history", "recent")  # the names of --draft_sources
FORMATS = {"q8_0": "Q8_0", "q4_0": "Q4_0", "q4_k_m": "Q4_K_M"}


@dataclasses.dataclass(frozen=True)
class Spec:
    """A row of a section. `bounds`: {class of machine: (must, aim)}; other machines have no bounds."""
    section: str
    what: str
    bounds: dict
    atmost: bool = False
    unit: str = "x"
    form: str = ".2f"

    def row(self, key, machine):
        """The row without a value, for a machine of run.machine_class()."""
        kind = machine.split()[-1]
        must, aim = self.bounds.get(machine) or self.bounds.get(kind) or self.bounds.get("any") or (None, None)
        return Row(key, self.what, must, aim, self.atmost, unit=self.unit, form=self.form)


def any_machine(must, aim):
    return {"any": (must, aim)}


def amx_vnni(amx, vnni):
    return {"amx": amx, "vnni": vnni}


def _specs():
    atmost = {"atmost": True}
    micros = {"atmost": True, "unit": "us", "form": ".0f"}
    specs = {}
    for kind, name in FORMATS.items():
        specs[f"one_row_{kind}"] = Spec("passes", f"T(1) of the best other engine / ours, {name}",
                                        any_machine(1.0, 1.15))
    specs |= {
        "rows_8": Spec("passes", "T(8) / T(1), Q8_0", amx_vnni((1.12, 1.06), (1.4, 1.3)), **atmost),
        "rows_16": Spec("passes", "T(16) / T(1), Q8_0", amx_vnni((1.27, 1.2), (1.8, 1.65)), **atmost),
        "rows_80": Spec("passes", "T(80) / T(1), Q8_0", {"amx": (3.4, 2.9)}, **atmost),
        "rows_16_q4_k_m": Spec("passes", "T(16) / T(1), Q4_K_M", {
            "amx": (2.0, 1.75), "intel vnni": (2.4, 2.1), "amd vnni": (3.5, 3.0)}, **atmost)}
    for kind, name in FORMATS.items():
        specs[f"prompt_{kind}"] = Spec("passes", f"prompt of 512 tokens against the best other engine, {name}",
                                       amx_vnni((2, 3), (1.3, 1.7)) | {"avx2": (1.0, 1.2)})
    return specs | {
        "context_1": Spec("context", "T(1) at context 4096 / T(1) at 256, Q8_0", any_machine(1.5, 1.3), **atmost),
        "context_16": Spec("context", "T(16) / T(1) at context 4096, Q8_0", {}, **atmost),
        "attention": Spec("attention", "attention of 16 rows at context 4096, share of the bare FMA rate",
                          any_machine(50, 70), unit="%", form=".0f"),
        "ready": Spec("ready", "time from start to ready, Q8_0, file in the page cache", any_machine(2, 1),
                      atmost=True, unit="s"),
        "perplexity": Spec("perplexity", "perplexity, change from exact to fast arithmetic", any_machine(0.05, 0.02),
                           atmost=True, unit="%", form=".4f"),
        "error_goldens": Spec("errors", "worst relative logit error on the goldens", {}, atmost=True, unit="",
                              form=".1e"),
        "error_outliers": Spec("errors", "the same on models with planted outliers, against the exact arithmetic", {},
                               atmost=True, unit="", form=".1e"),
        "mat_8": Spec("mat", "MAT at 8 nodes, temperature 0.6", any_machine(1.9, 2.05), unit=""),
        "mat_16": Spec("mat", "MAT at 16 nodes, temperature 0.6", any_machine(2.2, 2.4), unit=""),
        **{f"without_{source}": Spec("sources", f"MAT without the source {source} / with all, 8 nodes", {})
           for source in SOURCES},
        "with_base_matrix": Spec("sources", "MAT with a base matrix / without, 8 nodes", {}),
        "with_prompt_rows": Spec("sources", "MAT with the rows of the last 64 tokens of the prompt / without, 8 nodes",
                                 {}),
        "decode": Spec("decode", "recycled / plain, grown model, temperature 0.6",
                       amx_vnni((1.65, 1.95), (1.42, 1.6))),
        "decode_mt_bench": Spec("decode", "the same, questions of MT-Bench", amx_vnni((1.4, 1.7), (1.28, 1.45))),
        "decode_greedy": Spec("decode_greedy", "recycled / plain, grown model, greedy",
                              amx_vnni((1.9, 2.3), (1.65, 1.85))),
        "decode_request": Spec("decode_request", "recycled / plain, grown model, temperature 0.6, a new matrix for "
                               "each request", amx_vnni((1.55, 1.8), (1.35, 1.55))),
        "peer_modes": Spec("peer_modes", "recycled against the best mode of llama.cpp's server, temperature 0.6",
                           amx_vnni((1.6, 2), (1.4, 1.6))),
        "small": Spec("small", "recycled / plain, small model, temperature 0.6", any_machine(1.3, 1.6)),
        "drafted_unix": Spec("small", "gateway, drafter and wire, drafted step, p50, Unix sockets",
                             any_machine(400, 250), **micros),
        "drafted_standalone": Spec("small", "gateway, drafter and wire, drafted step, p50, one process",
                                   any_machine(100, 50), **micros),
        "plain_unix": Spec("small", "gateway, drafter and wire, plain step, p50, Unix sockets", any_machine(250, 150),
                           **micros),
        "plain_standalone": Spec("small", "gateway, drafter and wire, plain step, p50, one process",
                                 any_machine(60, 30), **micros),
        "drafter": Spec("drafter", "propose and learn inside the drafter, 16 nodes", any_machine(60, 30),
                        atmost=True, unit="us", form=".1f"),
        "default": Spec("default", "recycled / plain, default model, temperature 0.6", any_machine(0.98, 1.05)),
        "hostile": Spec("hostile", "recycled / plain, hostile texts, small model", any_machine(0.98, 1.0)),
    }


SPECS = _specs()


def keys_of(section):
    return [key for key, spec in SPECS.items() if spec.section == section]
