"""Dashboard and alert rules ask for metrics that the endpoint has, by labels that they have."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from ray._private.telemetry.open_telemetry_metric_recorder import OpenTelemetryMetricRecorder

from recsys_platform.serve.gate.answers import Reason
from recsys_platform.serve.metrics import METRICS, Metric
from tests.contracts.manifests import K8S

SERVE_LABELS = {"application": "shop", "deployment": "endpoint", "replica": "shop#endpoint#1"}
"""Labels that Ray Serve adds inside of a replica."""
LABEL_TO_VALUES = {
    "path": ("/v1/recommend", "/v1/items"),
    "method": ("POST", "GET"),
    "status": ("200", "503"),
    "reason": get_args(Reason),
}
ALERTS = yaml.safe_load((K8S / "monitoring" / "alerts.yaml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((K8S / "monitoring" / "dashboard.json").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["spec"]["groups"] for rule in group["rules"]]
TARGETS = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]

Sample = tuple[str, Mapping[str, str]]


def labels_of(metric: Metric) -> Iterator[dict[str, str]]:
    """A set of labels for each value of a metric's last label."""
    if not metric.labels:
        yield {}
        return
    first = {label: LABEL_TO_VALUES[label][0] for label in metric.labels}
    for label in metric.labels:
        for value in LABEL_TO_VALUES[label]:
            yield first | {label: value}


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """What Prometheus reads on the metrics port: the program that Ray exports with, given our own definitions."""
    recorder = OpenTelemetryMetricRecorder()
    for metric in METRICS:
        if metric.kind == "histogram":
            recorder.register_histogram_metric(metric.name, metric.description, list(metric.buckets))
        elif metric.kind == "counter":
            recorder.register_counter_metric(metric.name, metric.description)
        else:
            recorder.register_gauge_metric(metric.name, metric.description)
        for labels in labels_of(metric):
            recorder.set_metric_value(metric.name, SERVE_LABELS | labels, 1.0)
    scrape = generate_latest(REGISTRY).decode()
    return [
        (sample.name, sample.labels)
        for family in text_string_to_metric_families(scrape)
        if family.name.startswith("ray_recsys_")
        for sample in family.samples
    ]


def parsed(query: str) -> Any:
    """The syntax tree of a query, with what Grafana fills in."""
    return promql_parser.parse(query.replace("$__rate_interval", "5m").replace("$application", ".*"))


def nodes_of(query: str) -> list[Any]:
    nodes: list[Any] = []
    promql_parser.walk(parsed(query), nodes.append, None)
    return nodes


def selectors_of(query: str) -> list[Any]:
    return [node for node in nodes_of(query) if isinstance(node, promql_parser.VectorSelector)]


def alternatives(matcher: Any) -> Sequence[str]:
    """The regular expressions that a matcher allows, of which each must be a value: `a|b` has two."""
    if matcher.op == promql_parser.MatchOp.Equal:
        return [re.escape(matcher.value)]
    assert matcher.op == promql_parser.MatchOp.Re
    return matcher.value.split("|")


def missing(query: str, samples: Sequence[Sample]) -> list[str]:
    """What a query asks for that no sample has."""
    problems = []
    for selector in selectors_of(query):
        found = [labels for name, labels in samples if name == selector.name]
        for matcher in selector.matchers.matchers:
            for pattern in alternatives(matcher):
                if not any(re.fullmatch(pattern, labels.get(matcher.name, "")) for labels in found):
                    problems.append(f"{selector.name}: {matcher.name} {pattern}")
        grouped = {label for node in nodes_of(query) for label in labels_by(node)}
        problems += [f"{selector.name} by {label}" for label in grouped if not all(label in each for each in found)]
        if not found:
            problems.append(selector.name)
    return sorted(problems)


def labels_by(node: Any) -> Sequence[str]:
    modifier = getattr(node, "modifier", None) if isinstance(node, promql_parser.AggregateExpr) else None
    return [] if modifier is None else modifier.labels


@pytest.mark.parametrize("query", [rule["expr"] for rule in RULES], ids=[rule["alert"] for rule in RULES])
def test_an_alert_asks_for_what_the_endpoint_reports(query: str, samples: list[Sample]) -> None:
    assert selectors_of(query) != []
    assert missing(query, samples) == []


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=[panel["title"] for panel in DASHBOARD["panels"]])
def test_a_panel_asks_for_what_the_endpoint_reports_and_names_only_its_labels(
    panel: dict, samples: list[Sample]
) -> None:
    for target in panel["targets"]:
        assert selectors_of(target["expr"]) != []
        assert missing(target["expr"], samples) == []
        shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert shown <= {label for node in nodes_of(target["expr"]) for label in labels_by(node)}


@pytest.mark.parametrize(
    ("query", "problems"),
    [
        ("rate(ray_recsys_refusals[5m])", ["ray_recsys_refusals"]),
        ('ray_recsys_refusals_total{reason="hunger"}', ["ray_recsys_refusals_total: reason hunger"]),
        ('ray_recsys_refusals_total{reason=~"queue|hunger"}', ["ray_recsys_refusals_total: reason hunger"]),
        ("sum by (colour) (ray_recsys_requests_in_flight)", ["ray_recsys_requests_in_flight by colour"]),
    ],
)
def test_a_wrong_query_would_be_found(query: str, problems: list[str], samples: list[Sample]) -> None:
    assert missing(query, samples) == problems


def test_every_metric_is_on_the_dashboard_and_in_the_scrape(samples: list[Sample]) -> None:
    asked = {selector.name for target in TARGETS for selector in selectors_of(target["expr"])}
    reported = {name for name, _ in samples}
    for metric in METRICS:
        names = {f"ray_{metric.name}{end}" for end in ("", "_total", "_bucket", "_count")}
        assert names & asked != set(), metric.name
        assert names & reported != set(), metric.name


def test_the_metrics_of_refusals_know_every_reason(samples: list[Sample]) -> None:
    reasons = {labels["reason"] for name, labels in samples if name == "ray_recsys_refusals_total"}
    assert reasons == set(get_args(Reason))


def test_alerts_say_what_is_wrong_and_how_bad_it_is() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        used = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert used <= {label for node in nodes_of(rule["expr"]) for label in labels_by(node)}


def test_panels_have_a_place_of_their_own() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
