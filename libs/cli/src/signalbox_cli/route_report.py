"""What ``signalbox routes eval`` prints: the table, the first row's classes and mistakes, and comparisons."""

from typing import TYPE_CHECKING, Any, Final

from signalbox_cli.output import print_json, print_rows, say
from signalbox_decide.evaluation.comparing import Comparison
from signalbox_decide.evaluation.figures import Figures, Share
from signalbox_decide.evaluation.learned_first import LearnedFirst

if TYPE_CHECKING:
    from signalbox_cli.measuring import Evaluation

_TABLE: Final = (
    *("router", "right", "accuracy", "95_%", "of_several", "unroutable"),
    *("saved", "calls", "tokens_in", "tokens_out", "usd", "p50_ms", "p95_ms"),
)
_LEARNED_TABLE: Final = ("figure", "cases", "share", "95_%")
_SIGNIFICANT: Final = 0.05


def show(evaluation: "Evaluation", *, as_json: bool) -> float:
    """Print what was measured, and return the first row's accuracy, from 0 to 1."""
    rows = [Figures(run) for run in evaluation.saved.runs]
    if as_json:
        print_json(_evaluation_dict(evaluation, rows))
    else:
        _print(evaluation, rows)
    return rows[0].all.share


def show_comparison(found: Comparison, *, as_json: bool) -> None:
    """Print how two runs differ."""
    changed = [
        {
            "case": one.case_id,
            "label": one.label,
            "first": one.answer.said,
            "second": two.answer.said,
            "better": "" if one.is_right == two.is_right else "second" if two.is_right else "first",
        }
        for one, two in found.changed
    ]
    if as_json:
        counts = ("cases", "first_right", "second_right", "only_first", "only_second", "p")
        print_json({name: getattr(found, name) for name in counts} | {"changed": changed})
        return
    say(f"first   {_told(Share(found.first_right, found.cases))}")
    say(f"second  {_told(Share(found.second_right, found.cases))}")
    verdict = "more than chance explains" if found.p < _SIGNIFICANT else "chance may explain it"
    say(f"only the first is right in {found.only_first}, only the second in {found.only_second}")
    say(f"McNemar's exact test: p = {found.p:.4f}, {verdict}\n")
    print_rows(changed, ("case", "label", "first", "second", "better"), "nothing was said otherwise")


def _print(evaluation: "Evaluation", rows: list[Figures]) -> None:
    learned = evaluation.learned
    print_rows([_table_row(figures, learned) for figures in rows], _TABLE, "")
    of = "recorded decisions" if evaluation.recorded else f"cases, part {evaluation.saved.part}"
    say(f"\nEach row: the same {evaluation.cases} {of}.")
    say("of_several: the cases with more than one candidate. offline: a word score, and no LLM.")
    for note in evaluation.notes:
        say(f"note: {note}")
    if learned is not None:
        _print_learned(learned)
    first = rows[0]
    say(f"\n{first.run.name}, by label")
    classes = [
        {
            "label": one.label,
            "cases": one.cases,
            "said": one.said,
            "right": one.right,
            "precision": _number(one.precision),
            "recall": _number(one.recall),
        }
        for one in first.classes
    ]
    print_rows(classes, ("label", "cases", "said", "right", "precision", "recall"), "")
    say(f"\n{first.run.name}, by what the cases are")
    print_rows(_slices(first), ("by", "value", "right", "accuracy", "95_%"), "")
    say(f"\n{first.run.name}, who is taken for whom")
    confusion = [{"label": label, "said": said, "cases": cases} for label, said, cases in first.confusion]
    print_rows(confusion, ("label", "said", "cases"), "nobody")
    differs = "what it would decide otherwise" if evaluation.recorded else "each disagreement"
    say(f"\n{first.run.name}, {differs}")
    print_rows(_disagreements(first), ("case", "label", "said", "why_the_label", "reason"), "none")


def _print_learned(learned: LearnedFirst) -> None:
    model = learned.run.model
    say(f"\nlearned: linear where its confidence is {learned.at_least:g} or more, else {model} is asked")
    shares = {
        "calls saved": learned.saved,
        "right where linear was sure": learned.sure,
        f"right where {model} was asked": learned.asked,
        f"right when {model} is always asked": learned.always,
    }
    cells = [{"figure": figure, **_share_cells(share)} for figure, share in shares.items()]
    told = [{**row, "cases": row["right"], "share": row["accuracy"]} for row in cells]
    low, high = learned.loss_interval
    lost = {
        "figure": "accuracy lost (below 0: gained)",
        "share": f"{learned.loss:.3f}",
        "95_%": f"{low:.3f} to {high:.3f}",
    }
    print_rows([*told, lost], _LEARNED_TABLE, "")
    say(
        f"right only when {model} is always asked: {learned.only_always}, only with learned:"
        f" {learned.only_learned}; McNemar's exact p = {learned.p:.4f}"
    )


def _table_row(figures: Figures, learned: LearnedFirst | None) -> dict[str, Any]:
    saved = learned.saved if learned is not None and learned.run is figures.run else None
    return {
        "router": figures.run.name,
        **_share_cells(figures.all),
        "of_several": f"{figures.choices.right}/{figures.choices.total}",
        "unroutable": figures.unroutable,
        "saved": "" if saved is None else f"{saved.right}/{saved.total}",
        "calls": figures.calls,
        "tokens_in": figures.input_tokens,
        "tokens_out": figures.output_tokens,
        "usd": "unknown" if figures.usd is None else f"{figures.usd:.4f}",
        "p50_ms": figures.p50_ms,
        "p95_ms": figures.p95_ms,
    }


def _share_cells(share: Share) -> dict[str, str]:
    low, high = share.interval
    return {
        "right": f"{share.right}/{share.total}",
        "accuracy": f"{share.share:.3f}",
        "95_%": f"{low:.3f}-{high:.3f}",
    }


def _told(share: Share) -> str:
    cells = _share_cells(share)
    return f"{cells['right']} right, {cells['accuracy']} ({cells['95_%']})"


def _slices(figures: Figures) -> list[dict[str, str]]:
    return [
        {"by": name, "value": value, **_share_cells(share)}
        for name, shares in figures.slices().items()
        for value, share in shares.items()
    ]


def _disagreements(figures: Figures) -> list[dict[str, str]]:
    return [
        {
            "case": one.case_id,
            "label": one.label,
            "said": one.answer.said,
            "why_the_label": one.why,
            "reason": one.answer.reason,
        }
        for one in figures.disagreements
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _evaluation_dict(evaluation: "Evaluation", rows: list[Figures]) -> dict[str, Any]:
    return {
        "part": evaluation.saved.part,
        "cases": evaluation.cases,
        "recorded": evaluation.recorded,
        "set_digest": evaluation.saved.set_digest,
        "instructions_digest": evaluation.saved.instructions_digest,
        "notes": list(evaluation.notes),
        "rows": [_row_dict(figures) for figures in rows],
        "learned": None if evaluation.learned is None else _learned_dict(evaluation.learned),
    }


def _learned_dict(learned: LearnedFirst) -> dict[str, Any]:
    saved = learned.saved
    return {
        "at_least": learned.at_least,
        "model": learned.run.model,
        "saved": {
            "saved": saved.right,
            "total": saved.total,
            "share": saved.share,
            "interval": [*saved.interval],
        },
        "sure": learned.sure.as_dict(),
        "asked": learned.asked.as_dict(),
        "always": learned.always.as_dict(),
        "loss": {
            "accuracy": learned.loss,
            "interval": [*learned.loss_interval],
            "only_always": learned.only_always,
            "only_learned": learned.only_learned,
            "p": learned.p,
        },
    }


def _row_dict(figures: Figures) -> dict[str, Any]:
    slices = figures.slices().items()
    return {
        "router": figures.run.name,
        "model": figures.run.model,
        "accuracy": figures.all.as_dict(),
        "of_several": figures.choices.as_dict(),
        "classes": [
            {
                "label": one.label,
                "cases": one.cases,
                "said": one.said,
                "right": one.right,
                "precision": one.precision,
                "recall": one.recall,
            }
            for one in figures.classes
        ],
        "confusion": [{"label": label, "said": said, "cases": n} for label, said, n in figures.confusion],
        "by": {by: {value: share.as_dict() for value, share in shares.items()} for by, shares in slices},
        "unroutable": figures.unroutable,
        "calls": figures.calls,
        "input_tokens": figures.input_tokens,
        "output_tokens": figures.output_tokens,
        "usd": figures.usd,
        "latency_p50_ms": figures.p50_ms,
        "latency_p95_ms": figures.p95_ms,
        "disagreements": _disagreements(figures),
    }
