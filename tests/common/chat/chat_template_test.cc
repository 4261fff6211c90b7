#include "common/chat/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/chat/json.h"
#include "common/tokenizer/utf8.h"
#include "tests/doubles/matchers.h"

namespace recycling::chat {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kHello[] = R"([{"role": "user", "content": "Hello"}])";

ChatTemplateInput InputOf(const std::string& messages, const std::string& arguments = "{}") {
  ChatTemplateInput input;
  input.messages = *MessagesOf(*ParseJson(messages, true));
  input.arguments = *ParseJson(arguments, true);
  input.bos_token = "<s>";
  input.eos_token = "</s>";
  input.now = absl::CivilSecond(2026, 3, 7, 8, 5, 9);
  return input;
}

absl::StatusOr<MarkedText> Render(const std::string& source, const std::string& messages = kHello,
                                  const RenderLimits& limits = {}) {
  const absl::StatusOr<ChatTemplate> parsed = ChatTemplate::Parse(source);
  if (!parsed.ok()) return parsed.status();
  return parsed->Render(InputOf(messages), limits);
}

// The text with [] around each marked part.
std::string Marks(const absl::StatusOr<MarkedText>& text) {
  if (!text.ok()) return std::string(text.status().message());
  std::string shown;
  for (const MarkedText::Part& part : text->Parts()) {
    shown += part.marked ? "[" + std::string(part.bytes) + "]" : std::string(part.bytes);
  }
  return shown;
}

std::string ErrorOf(const std::string& source, const RenderLimits& limits = {}) {
  const absl::StatusOr<MarkedText> text = Render(source, kHello, limits);
  return text.ok() ? "no error: " + text->bytes() : std::string(text.status().message());
}

TEST(ChatTemplateTest, RendersAConversation) {
  const std::string source =
      "{{ bos_token }}{% for message in messages %}\n"
      "<|{{ message.role }}|>{{ message['content'] | trim }}{{ eos_token }}\n"
      "{% endfor %}\n"
      "{% if add_generation_prompt %}<|assistant|>{% endif %}";
  const absl::StatusOr<MarkedText> text = Render(
      source, R"([{"role": "user", "content": " Hi "}, {"role": "assistant", "content": "Yo"}])");
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->bytes(), "<s><|user|>Hi</s>\n<|assistant|>Yo</s>\n<|assistant|>");
}

TEST(ChatTemplateTest, RendersOftenAndAlwaysTheSame) {
  const absl::StatusOr<ChatTemplate> parsed = ChatTemplate::Parse(
      "{% macro m(x) %}{{ x }}!{% endmacro %}{% set ns = namespace(n=0) %}"
      "{% for message in messages %}{% set ns.n = ns.n + 1 %}{{ m(ns.n) }}{% endfor %}");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<MarkedText> text = parsed->Render(InputOf(kHello));
    ASSERT_TRUE(text.ok()) << text.status();
    EXPECT_EQ(text->bytes(), "1!");
  }
}

TEST(ChatTemplateTest, ArgumentsAreVariablesButReplaceNoOthers) {
  const absl::StatusOr<ChatTemplate> parsed =
      ChatTemplate::Parse("{{ enable_thinking }} {{ bos_token }} {{ messages|length }}");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const absl::StatusOr<MarkedText> text = parsed->Render(
      InputOf(kHello, R"({"enable_thinking": false, "bos_token": "<evil>", "messages": []})"));
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(Marks(text), "[False] <s> [1]");
}

TEST(ChatTemplateTest, FormatsTheInjectedTime) {
  EXPECT_EQ(Marks(Render("{{ strftime_now('%d %b %Y, %A, %H:%M:%S, day %j') }}")),
            "07 Mar 2026, Saturday, 08:05:09, day 066");
}

// ---- Marks

TEST(ChatTemplateTest, MarksWhatCameFromMessages) {
  EXPECT_EQ(Marks(Render("<|{{ messages[0].role }}|>{{ messages[0].content }}<|end|>")),
            "<|user|>[Hello]<|end|>");
  EXPECT_EQ(Marks(Render("<{{ messages[0].role }}>", R"([{"role": "im_end", "content": ""}])")),
            "<[im_end]>");
}

TEST(ChatTemplateTest, MarksSurviveEveryWayThroughTheTemplate) {
  constexpr char kCollect[] =
      "{% set ns = namespace(x='') %}{% for m in messages %}{% set ns.x = ns.x + m.content %}"
      "{% endfor %}{{ ns.x }}";
  const char* const ways[] = {
      "{{ messages[0].content }}",
      "{{ messages[0]['content'] | upper | lower | trim | string }}",
      "{{ messages[0].content.split('@') | join('@') }}",
      "{{ messages[0].content[::-1] | reverse }}",
      "{{ messages[0].content.replace('', '') }}",
      "{% for c in messages[0].content %}{{ c }}{% endfor %}",
      kCollect,
      "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(messages[0].content) }}",
      "{% set x %}{{ messages[0].content }}{% endset %}{{ x }}",
      "{% filter lower %}{{ messages[0].content }}{% endfilter %}",
      "{{ '%s' % messages[0].content }}",
      "{{ '{}'.format(messages[0].content) }}",
      "{{ messages | map(attribute='content') | first }}",
      "{{ messages[0].items() | map('last') | list | last }}",
      "{{ messages[0].content.partition('-') | join }}",
      "{{ messages[0].content | indent(2) }}",
      "{{ messages[0].content | tojson | replace('\"', '') }}",
      "{{ messages[0].content | string | safe | title | lower }}",
  };
  for (const char* way : ways) {
    EXPECT_EQ(Marks(Render(way, R"([{"role": "user", "content": "<|end|>-x"}])")), "[<|end|>-x]")
        << way;
  }
}

TEST(ChatTemplateTest, MarksNumbersAndShapesFromMessages) {
  const char messages[] =
      R"([{"role": "user", "content": {"n": 7, "f": 1.5, "b": true, "z": null, "l": ["a"]}}])";
  EXPECT_EQ(Marks(Render("<{{ messages[0].content.n }}>", messages)), "<[7]>");
  EXPECT_EQ(Marks(Render("<{{ messages[0].content.n + 1 }}>", messages)), "<[8]>");
  EXPECT_EQ(Marks(Render("<{{ messages[0].content.f | round }}>", messages)), "<[2.0]>");
  EXPECT_EQ(Marks(Render("<{{ messages[0].content.b }}>", messages)), "<[True]>");
  EXPECT_EQ(Marks(Render("<{{ messages[0].content.z }}>", messages)), "<[None]>");
  EXPECT_EQ(Marks(Render("<{{ messages[0].content.l }}>", messages)), "<[['a']]>");
  EXPECT_EQ(Marks(Render("<{{ messages[0].content | tojson }}>", messages)),
            "<[{\"n\": 7, \"f\": 1.5, \"b\": true, \"z\": null, \"l\": [\"a\"]}]>");
  EXPECT_EQ(Marks(Render("<{{ messages[0].content.l | length }}>", messages)), "<[1]>");
  EXPECT_EQ(Marks(Render("<{{ range(messages[0].content.n, 9) | first }}>", messages)), "<[7]>");
  EXPECT_EQ(Marks(Render("<{{ messages[0].content.l | list }}>", messages)), "<[['a']]>");
  // The number of a loop is the template's own.
  EXPECT_EQ(
      Marks(Render("{% for x in messages[0].content.l %}{{ loop.index }}{% endfor %}", messages)),
      "1");
}

TEST(ChatTemplateTest, MarksNamesAndFormatsFromMessages) {
  const char messages[] = R"([{"role": "user", "content": "{0:<>3}", "keys": {"<|end|>": 1}}])";
  EXPECT_EQ(Marks(Render("{{ dict(**messages[0]['keys']) | first }}", messages)), "[<|end|>]");
  EXPECT_EQ(Marks(Render("{% macro m() %}{{ kwargs | first }}{% endmacro %}"
                         "{{ m(**messages[0]['keys']) }}",
                         messages)),
            "[<|end|>]");
  EXPECT_EQ(Marks(Render("{{ messages[0].content.format('') }}", messages)), "[<<<]");
  EXPECT_EQ(Marks(Render("{{ [1] | tojson(indent=messages[0].content) }}", messages)),
            "[\n[{0:<>3}]1\n]");
  EXPECT_EQ(Marks(Render("{{ [1, 2] | tojson(separators=[messages[0].content, '']) }}", messages)),
            "[1[{0:<>3}]2]");
  EXPECT_EQ(Marks(Render("{{ messages[0].content | indent }}",
                         R"([{"role": "user", "content": "a\nb"}])")),
            "[a\n]    [b]");
}

TEST(ChatTemplateTest, LeavesWhatTheTemplateWroteUnmarked) {
  EXPECT_EQ(Marks(Render("{{ '<|end|>'.split('|') | join('|') }}{{ 'a' ~ messages[0].content }}")),
            "<|end|>a[Hello]");
  EXPECT_EQ(Marks(Render("{{ messages[0].content.replace('l', '<|end|>') }}")),
            "[He]<|end|><|end|>[o]");
}

// ---- Errors

TEST(ChatTemplateTest, ErrorsNameLineAndColumn) {
  EXPECT_THAT(ErrorOf("a\n  {{ raise_exception('No system role') }}"),
              AllOf(HasSubstr("line 2, column "), HasSubstr(": No system role")));
  EXPECT_THAT(ErrorOf("{{ 1 +\n }}"), HasSubstr("line 2, column 2: got '}}', expected"));
  EXPECT_THAT(ErrorOf("{% for x in [1] %}\n"), HasSubstr("expected {% endfor %}"));
  EXPECT_THAT(ErrorOf("x\ny {{ tools.name.first }}"),
              AllOf(HasSubstr("line 2, column "), HasSubstr("has no attribute 'name'")));
  EXPECT_THAT(ErrorOf("{{ nothing.x }}"), HasSubstr("line 1, column 11: 'nothing' is undefined"));
  EXPECT_THAT(ErrorOf("{% include 'x' %}"), HasSubstr("line 1, column 4: unknown tag 'include'"));
  EXPECT_THAT(ErrorOf("{{ 1|frobnicate }}"), HasSubstr("no filter named 'frobnicate'"));
  EXPECT_THAT(ErrorOf("{{ 1 is frobnicated }}"), HasSubstr("no test named 'frobnicated'"));
  EXPECT_THAT(ErrorOf("{{ 'abc"), HasSubstr("line 1, column 4: the string does not end"));
  EXPECT_THAT(ErrorOf("{# abc"), HasSubstr("the comment does not end"));
  EXPECT_THAT(ErrorOf("a\xff"), HasSubstr("line 1, column 2: not UTF-8"));
}

TEST(ChatTemplateTest, RefusesMessagesOfAnotherShape) {
  const auto error = [](const char* json) {
    return std::string(MessagesOf(*ParseJson(json, true)).status().message());
  };
  EXPECT_THAT(error("{}"), HasSubstr("messages: got dict, expected a list"));
  EXPECT_THAT(error(R"([{"role": "user"}, 5])"), HasSubstr("messages[1]: expected an object"));
  EXPECT_THAT(error(R"([{"content": "x"}])"), HasSubstr("messages[0]: expected an object"));
  EXPECT_THAT(error(R"([{"role": 5}])"), HasSubstr("messages[0]: expected an object"));
}

TEST(ChatTemplateTest, ChangesNothingButNamespaces) {
  EXPECT_THAT(ErrorOf("{{ messages.append(1) }}"),
              HasSubstr("'append' of 'list' object is unsafe"));
  EXPECT_THAT(ErrorOf("{{ messages[0].update({}) }}"), HasSubstr("unsafe"));
  EXPECT_THAT(ErrorOf("{% set messages.x = 1 %}"), HasSubstr("non-namespace"));
}

// ---- Limits

TEST(ChatTemplateTest, EndsATemplateThatRunsTooLong) {
  const char endless[] =
      "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
  EXPECT_THAT(ErrorOf(endless, {.max_steps = 50'000}), HasSubstr("takes more than 50000 steps"));
  EXPECT_THAT(ErrorOf(endless), HasSubstr("more than"));
}

TEST(ChatTemplateTest, EndsATemplateThatFillsMemory) {
  EXPECT_THAT(ErrorOf("{% set ns = namespace(x='x') %}{% for i in range(99) %}"
                      "{% set ns.x = ns.x + ns.x %}{% endfor %}"),
              HasSubstr("bytes of values"));
  EXPECT_THAT(ErrorOf("{{ 'x' * 999999999999 }}"), HasSubstr("bytes of values"));
  EXPECT_THAT(ErrorOf("{{ [1] * 999999999999 }}"), HasSubstr("more than"));
  EXPECT_THAT(ErrorOf("{{ 'x'.ljust(999999999999) }}"), HasSubstr("bytes of values"));
  EXPECT_THAT(ErrorOf("{{ 'x' | center(999999999999) }}"), HasSubstr("bytes of values"));
  EXPECT_THAT(ErrorOf("{{ 'x\ny' | indent(999999999999) }}"), HasSubstr("bytes of values"));
  EXPECT_THAT(ErrorOf("{{ '%999999999d' % 5 }}"), HasSubstr("width or precision above 1000"));
  EXPECT_THAT(ErrorOf("{% for i in range(99999) %}{{ 'xxxxxxxxxx' }}{% endfor %}",
                      {.max_output_bytes = 1000}),
              HasSubstr("prints more than 1000 bytes"));
}

TEST(ChatTemplateTest, EndsATemplateThatNestsTooDeep) {
  EXPECT_THAT(ErrorOf("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
              HasSubstr("nests deeper than 500 evaluations"));
  EXPECT_THAT(ErrorOf("{% set ns = namespace(x=[]) %}{% for i in range(200) %}"
                      "{% set ns.x = [ns.x] %}{% endfor %}"),
              HasSubstr("a list nests deeper than 100 levels"));
  EXPECT_THAT(ErrorOf("{% set ns = namespace(x={}) %}{% for i in range(200) %}"
                      "{% set ns.x = {'a': ns.x} %}{% endfor %}"),
              HasSubstr("a dict nests deeper than 100 levels"));
  const std::string brackets = std::string(99'999, '(') + "1" + std::string(99'999, ')');
  EXPECT_THAT(ErrorOf("{{ " + brackets + " }}"), HasSubstr("nested deeper than 100 levels"));
  std::string sum = "{{ 1";
  std::string negation = "{{ ";
  std::string filters = "{{ 'x'|map(";
  std::string ifs;
  for (int i = 0; i < 20'000; ++i) {
    sum += "+1";
    negation += "not ";
    filters += "'map',";
    ifs += "{% if x %}";
  }
  EXPECT_THAT(ErrorOf(sum + " }}"), HasSubstr("more than 500 levels"));
  EXPECT_THAT(ErrorOf(negation + "x }}"), HasSubstr("nested deeper than 100 levels"));
  EXPECT_THAT(ErrorOf(filters + "'upper')|list }}"), HasSubstr("nests deeper than"));
  EXPECT_THAT(ErrorOf(ifs), HasSubstr("nested deeper than 100 levels"));
}

// Each of these once exhausted the stack, memory or time.
TEST(ChatTemplateTest, EndsTemplatesThatAttackIt) {
  const auto loop = [](const std::string& body) {
    return "{% set ns = namespace(f=1, t=()) %}{% for i in range(100000) %}" + body +
           "{% endfor %}";
  };
  EXPECT_THAT(ErrorOf(loop("{% set ns.f = [ns.f].copy %}")), HasSubstr("nests deeper than 100"));
  EXPECT_THAT(ErrorOf(loop("{% for x in [ns.f] %}{% set ns.f = loop %}{% endfor %}")),
              HasSubstr("no error"));
  EXPECT_THAT(ErrorOf("{% macro m(prev) %}{% for x in [1] %}{% set ns.f = loop %}{% endfor %}"
                      "{% endmacro %}" +
                      loop("{{ m(ns.f) }}")),
              HasSubstr("bytes of values"));
  EXPECT_THAT(ErrorOf(loop("{% set ns.t = (ns.t, ns.t) %}{% set d = {ns.t: 1} %}")),
              HasSubstr("unhashable"));
  EXPECT_THAT(ErrorOf("{{ " + std::string(1000, 'n') + " }}"), HasSubstr("a name of 1000 bytes"));
  std::string filters = "{% macro m(n) %}{% filter default(m(n-1))";
  for (int i = 0; i < 480; ++i) filters += "|upper";
  EXPECT_THAT(ErrorOf(filters + " %}x{% endfilter %}{% endmacro %}{{ m(3) }}"),
              HasSubstr("nests deeper than"));
  EXPECT_THAT(ErrorOf("{{ [1] | batch(1152921504606846976, 0) | list }}"),
              HasSubstr("bytes of values"));
  constexpr char kLowest[] = "(-9223372036854775807-1)";
  for (const char* text :
       {"{{ 'abc'.ljust(N) }}", "{{ 'abc'.center(N) }}", "{{ 'abc' | center(N) }}",
        "{{ 'abc'.split(',', N)[0] }}", "{{ 'abc'.replace('x', '', N) }}", "{{ 'abc'[N:] }}",
        "{{ 'abc'[::N][::N] or 'abc' }}{# c #}"}) {
    std::string source = text;
    while (source.find('N') != std::string::npos) source.replace(source.find('N'), 1, kLowest);
    const absl::StatusOr<MarkedText> result = Render(source);
    ASSERT_TRUE(result.ok()) << source << ": " << result.status();
    EXPECT_THAT(result->bytes(), ::testing::AnyOf("abc", "c")) << source;
  }
  EXPECT_EQ(Marks(Render("{{ 1.5 | round(" + std::string(kLowest) + ") }}")), "0.0");
}

TEST(ChatTemplateTest, LongTextsTakeLinearTime) {
  for (const char* source : {"{{ ('a' * 200000).strip('b' * 100000 ~ 'a') | length }}",
                             "{{ ('a' * 1000000).find('a' * 500000 ~ 'b') }}",
                             "{{ ('a' * 500000 ~ 'b') in 'a' * 1000000 }}",
                             "{{ ('a' * 1000000).rsplit('a' * 500000 ~ 'b') | length }}",
                             "{{ ('a' * 1000000).replace('a' * 500000 ~ 'b', '') | length }}"}) {
    EXPECT_TRUE(Render(source).ok()) << source;
  }
  EXPECT_THAT(ErrorOf("{{ (['a'] * 1000) | map(attribute='0.' * 100000 ~ '0') | list }}"),
              HasSubstr("steps"));
  EXPECT_THAT(ErrorOf("{% set t = 'a' * 10000000 %}{{ ([t] * 2000) | map(attribute=0) | list }}"),
              HasSubstr("more than"));
  EXPECT_THAT(ErrorOf("{% set t = 'a' * 5000000 %}{% for i in range(99999) %}"
                      "{{ t.startswith('a', 1) }}{% endfor %}"),
              HasSubstr("steps"));
}

TEST(ChatTemplateTest, ErrorsAreUtf8) {
  const std::string sources[] = {"{{ raise_exception('x' ~ 'é' * 600) }}", "{{ € }}",
                                 "{{ 'x'['é' * 200].y }}", "{% é %}",
                                 "{{ 1 | " + std::string(50, 'x') + "éé }}"};
  for (const std::string& source : sources) {
    EXPECT_FALSE(FindInvalidUtf8(ErrorOf(source)).has_value()) << source;
  }
}

TEST(ChatTemplateTest, RefusesALongSource) {
  EXPECT_THAT(ErrorOf(std::string(kMaxTemplateBytes + 1, 'x')), HasSubstr("expected at most"));
}

// LeakSanitizer checks this one: namespaces and macros that refer to each other in circles.
TEST(ChatTemplateTest, FreesCircles) {
  EXPECT_EQ(Marks(Render("{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}"
                         "{% macro m() %}x{% endmacro %}{% set a.m = m %}"
                         "{% for i in [1] %}{% macro n() %}{{ i }}{% endmacro %}{% set a.n = n %}"
                         "{% endfor %}{{ a.n() }}")),
            "1");
  EXPECT_EQ(Marks(Render("{% for x in range(9) | list %}{{ loop.changed(loop) }}{% endfor %}")),
            "TrueFalseFalseFalseFalseFalseFalseFalseFalse");
  EXPECT_EQ(Marks(Render("{% macro m(prev) %}{% for x in [1] %}{% set prev.f = loop %}{% endfor %}"
                         "{% endmacro %}{% set ns = namespace() %}{% for i in range(9999) %}"
                         "{{ m(ns) }}{% endfor %}ok")),
            "ok");
}

// ---- JSON

TEST(ParseJsonTest, RefusesWhatIsNoJson) {
  const auto error = [](const std::string& text) {
    return std::string(ParseJson(text, true).status().message());
  };
  EXPECT_THAT(error("{\"a\": }"), HasSubstr("not JSON at byte 7"));
  EXPECT_THAT(error("\"\xff\""), HasSubstr("not UTF-8 at byte 1"));
  EXPECT_THAT(error(std::string(100'000, '[')), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(error("99999999999999999999"), HasSubstr("beyond 64 bits"));
  EXPECT_THAT(error(""), HasSubstr("not JSON"));
}

TEST(MarkedTextTest, KeepsRangesMerged) {
  MarkedText text("ab", true);
  text.Append("cd", true);
  text.Append("ef", false);
  text.Append("", true);
  text.Append("g", true);
  EXPECT_THAT(text.marked(), ElementsAre(ByteRange{0, 4}, ByteRange{6, 7}));
  EXPECT_THAT(text.Slice(3, 7).marked(), ElementsAre(ByteRange{0, 1}, ByteRange{3, 4}));
  EXPECT_THAT(text.Slice(4, 6).marked(), IsEmpty());
  EXPECT_TRUE(text.IsMarked(3));
  EXPECT_FALSE(text.IsMarked(4));
  EXPECT_FALSE(text.IsMarked(5));
  EXPECT_TRUE(text.IsMarked(6));
}

}  // namespace
}  // namespace recycling::chat
