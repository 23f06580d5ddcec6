"""The grammar and the JSON schema that hold a model to its family's format."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written import BOX, INTERN_BOX, QWEN_BOX, REASONING, boxed, fenced

from egm_core.families import FAMILIES, TASKS, family
from egm_core.families.grammar import text_without


class TestGrammar:
    SENTS = ("the mug", 'the "red" mug \\ {x}', "die größte Tasse 🫖", "a [b] <c> 'd'")
    TRACES = ("", REASONING, "x < 5, </thin, <</th <think> x\nnew line", "ends with <")

    @pytest.mark.parametrize("name", FAMILIES)
    def test_every_target_is_accepted_and_read_back(self, name):
        for sent, trace, truth, task in (
            (s, t, b, k) for s in self.SENTS for t in self.TRACES for b in (BOX, None) for k in TASKS
        ):
            text = family(name).target(sent, truth, trace, task)
            opening = family(name).thinking.opening(bool(trace))
            assert re.fullmatch(family(name).regex(True, opening), text), text
            assert bool(re.fullmatch(family(name).regex(False, opening), text)) == (not trace), text
            answer = family(name).parse(text)
            assert (answer.box, answer.reasoning) == (truth, trace.strip().removeprefix("<think>")), text

    @pytest.mark.parametrize("name", FAMILIES)
    @pytest.mark.parametrize("opening", ["open", "shut", "plain"])
    @pytest.mark.parametrize("trace", ["", REASONING])
    def test_what_is_learnt_goes_on_where_the_template_leaves_off(self, name, opening, trace):
        text = family(name).target("the mug", BOX, trace, "visible", opening)
        assert re.fullmatch(family(name).regex(True, opening), text), text
        written = {"open": "<think>\n", "shut": "<think>\n\n</think>\n\n", "plain": ""}[opening] + text
        answer = family(name).parse(written)
        assert (answer.box, answer.reasoning) == (BOX, "" if opening == "shut" else trace.strip()), text

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("qwen3_vl", fenced('[\n\t{"bbox_2d": [1, 2, 3, 1001], "label": "mug"}\n]')),
            ("qwen3_vl", fenced('[\n\t{"bbox_2d": [1, 2, 3, 04], "label": "mug"}\n]')),
            ("qwen3_vl", fenced('[\n\t{"bbox_2d": [1, 2, 3, ٤], "label": "mug"}\n]')),
            ("qwen3_vl", fenced('[\n\t{"bbox_2d": [1, 2, 3, 4], "label": "a\nb"}\n]')),
            ("qwen3_vl", QWEN_BOX + "\n"),
            ("qwen3_vl", "one </think> two\n" + fenced("[]")),
            ("internvl3", boxed("[1, 2, 3, 1001]")),
            ("internvl3", boxed("[1, 2, 3, ٤]")),
            ("internvl3", boxed("[[[1, 2, 3, 4]]]")),
            ("internvl3", boxed("[[1, 2, 3, 4], []]")),
            ("internvl3", INTERN_BOX.removesuffix("</answer>")),
            ("internvl3", INTERN_BOX.removeprefix("<think>")),
        ],
    )
    def test_nothing_else_is_accepted(self, name, text):
        assert not re.fullmatch(family(name).regex(True), text)

    @given(st.text("</think>ab\n", max_size=40))
    def test_text_without_a_tag_is_exactly_that(self, text):
        assert bool(re.fullmatch(text_without("</think>"), text)) == ("</think>" not in text)

    def test_tags_without_a_simple_complement_are_refused(self):
        with pytest.raises(ValueError, match="simple complement"):
            text_without("<a<b>")

    @pytest.mark.parametrize("name", FAMILIES)
    def test_llguidance_takes_the_grammar(self, name):
        guidance = pytest.importorskip("llguidance")
        tokenizer = guidance.LLTokenizer("byte")
        for reasoning in (True, False):
            opening = family(name).thinking.opening(reasoning)
            grammar = guidance.LLMatcher.grammar_from_regex(family(name).regex(reasoning))
            assert guidance.LLMatcher.validate_grammar(grammar, tokenizer) == ""
            for sent, trace, truth in ((self.SENTS[1], self.TRACES[2], BOX), (self.SENTS[2], "", None)):
                if trace and opening == "shut":
                    continue
                matcher = guidance.LLMatcher(tokenizer, grammar)
                ids = tokenizer.tokenize_str(family(name).target(sent, truth, trace, "visible", opening))
                accepted = matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()
                assert accepted == (reasoning or not trace)
            matcher = guidance.LLMatcher(tokenizer, grammar)
            ids = tokenizer.tokenize_str(family(name).target("mug", BOX, "", "visible", opening).replace("401", "４01"))
            assert matcher.try_consume_tokens(ids) < len(ids)

    @pytest.mark.parametrize("name", FAMILIES)
    def test_json_schema_is_accepted_and_reads_as_an_answer(self, name):
        guidance = pytest.importorskip("llguidance")
        tokenizer = guidance.LLTokenizer("byte")
        schema = json.dumps(family(name).json_schema())
        grammar = guidance.LLMatcher.grammar_from_json_schema(schema, defaults={"whitespace_flexible": True})
        entry = [{"bbox_2d": [1, 2, 3, 4], "label": "mug"}] if name.startswith("qwen") else [1, 2, 3, 4]
        for value, fits, kind in ((entry, True, "box"), ([], True, "absent"), ([1, 2, 3], False, "invalid")):
            text = json.dumps(value)
            matcher = guidance.LLMatcher(tokenizer, grammar)
            ids = tokenizer.tokenize_str(text)
            assert (matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()) == fits
            assert family(name).parse(text).kind == kind
