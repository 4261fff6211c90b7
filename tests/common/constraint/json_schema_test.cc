#include "common/constraint/json_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/common/constraint/match_text.h"
#include "tests/doubles/matchers.h"

namespace recycling::constraint {
namespace {

using doubles::IsOk;
using ::testing::HasSubstr;

struct Case {
  const char* schema;
  std::vector<const char*> allowed;
  std::vector<const char*> refused;
};

void Check(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    const auto grammar = CompileJsonSchema(one.schema);
    ASSERT_THAT(grammar, IsOk()) << one.schema;
    for (const char* text : one.allowed) {
      EXPECT_TRUE(Accepts(*grammar, text)) << one.schema << "\n" << text;
    }
    for (const char* text : one.refused) {
      EXPECT_FALSE(Accepts(*grammar, text)) << one.schema << "\n" << text;
    }
  }
}

TEST(JsonSchemaTest, Objects) {
  Check({
      {R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},
          "required":["name"],"additionalProperties":false})",
       {R"({"name": "Bob"})", R"({"name": "Bé\u00e9\n", "age": 5})"},
       {R"({})", R"({"age": 5})", R"({"age": 5, "name": "B"})", R"({"name": "B", "x": 1})",
        R"({"name":"Bob"})", R"({"name": 1})"}},
      {R"({"type":"object","properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3}}})",
       {"{}", R"({"a": 1})", R"({"b": 2})", R"({"c": 3})", R"({"a": 1, "c": 3})",
        R"({"z": [], "": {}})", R"({"a": 1, "b": 2, "c": 3, "z": 0})"},
       {R"({"c": 3, "a": 1})", R"({"a": 2})", R"({"z": 1, "a": 1})"}},
      {R"({"type":"object","required":["q"],"additionalProperties":{"type":"integer"}})",
       {R"({"q": 1})", R"({"q": 1, "qq": 2})"},
       {R"({})", R"({"qq": 2})", R"({"q": 1, "q": 2})", R"({"q": "x"})"}},
      {R"({"type":"object","minProperties":1,"properties":{"a":{}}})",
       {R"({"a": null})", R"({"b": null})"},
       {"{}"}},
      {R"({"type":"object","properties":{"a\"b":{"type":"null"}},"additionalProperties":false})",
       {R"({"a\"b": null})", "{}"},
       {R"({"a": null})"}},
      {R"({"type":"object","properties":{"x1":{"type":"integer"}},
          "patternProperties":{"^x":{"minimum":0},"z$":{"type":"null"}},
          "additionalProperties":false})",
       {R"({"x1": 5})", R"({"x2": 1})", R"({"az": null})", R"({"x1": 1, "x": 2, "z": null})"},
       {R"({"x1": -5})", R"({"x2": -1})", R"({"q": 1})", R"({"x1": 1, "x1": 2})"}},
      {R"({"type":"object"})",
       {"{}", R"({"a": {"b": [1, -2.5e3, null, true, "x", []]}})"},
       {"[]", "1", R"({"a": 1,"b": 2})", R"({"a": })"}},
  });
}

TEST(JsonSchemaTest, Arrays) {
  Check({
      {R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3})",
       {"[1, 2]", "[1, 2, 3]"},
       {"[]", "[1]", "[1, 2, 3, 4]", R"([1, "a"])"}},
      {R"({"type":"array","items":{"type":"null"},"minItems":12,"maxItems":12})",
       {"[null, null, null, null, null, null, null, null, null, null, null, null]"},
       {"[null, null, null, null, null, null, null, null, null, null, null]"}},
      {R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false})",
       {"[]", "[1]", R"([1, "a"])"},
       {R"(["a"])", R"([1, "a", 2])"}},
      {R"({"type":"array","items":[{"type":"integer"}],"additionalItems":{"type":"null"},
          "minItems":1})",
       {"[1]", "[1, null, null]"},
       {"[]", "[null]", "[1, 1]"}},
      {R"({"type":"array","maxItems":0})", {"[]"}, {"[1]"}},
      {R"({"type":"array"})", {"[]", R"([[], {}, "a"])"}, {"{}"}},
  });
}

TEST(JsonSchemaTest, Strings) {
  Check({
      {R"({"type":"string","minLength":2,"maxLength":3})",
       {R"("ab")", R"("é€😀")", R"("\n\u00e9")", R"("\ud83d\ude00x")"},
       {R"("a")", R"("abcd")", R"("\ud83dx")", "\"a\nb\""}},
      {R"({"type":"string","pattern":"^[A-Z]{2}\\d+$"})", {R"("AB123")"}, {R"("AB")", R"("xAB1")"}},
      {R"({"type":"string","pattern":"foo","maxLength":5})",
       {R"("foo")", R"("xfoox")", R"("\nfoo")"},
       {R"("xxxfoo")", R"("fo")"}},
      {R"({"type":"string","pattern":"^[a-z\"\n]*$","minLength":2,"maxLength":50000})",
       {R"("ab")", R"("a\"")", R"("\n\n")"},
       {R"("a")", R"("AB")"}},
      {R"({"type":"string","pattern":"a","allOf":[{"pattern":"b"}]})",
       {R"("ab")", R"("xbya")"},
       {R"("a")", R"("b")"}},
      {R"({"enum":["red","a\"b",1,null,{"a":[1,2]},1.5]})",
       {R"("red")", R"("a\"b")", "1", "null", R"({"a": [1, 2]})", "1.5"},
       {R"("blue")", "2"}},
      {R"({"type":"string","enum":["a","bbb",7],"maxLength":2})", {R"("a")"}, {R"("bbb")", "7"}},
      {R"({"const":"x"})", {R"("x")"}, {R"("y")", "1"}},
  });
}

TEST(JsonSchemaTest, Formats) {
  Check({
      {R"({"type":"string","format":"date"})",
       {R"("2024-02-28")"},
       {R"("2023-02-29")", R"("24-1-1")"}},
      {R"({"type":"string","format":"time"})",
       {R"("23:59:59Z")", R"("01:02:03.5+01:00")"},
       {R"("24:00:00Z")"}},
      {R"({"type":"string","format":"date-time"})",
       {R"("2024-12-31T00:00:00Z")"},
       {R"("2024-12-31")"}},
      {R"({"type":"string","format":"duration"})",
       {R"("P1Y2M")", R"("PT5M")", R"("P3W")"},
       {R"("P")", R"("P1S")"}},
      {R"({"type":"string","format":"email"})", {R"("a.b@c-d.org")"}, {R"("a@b@c")", R"("a")"}},
      {R"({"type":"string","format":"hostname"})", {R"("a-b.example")"}, {R"("-a")"}},
      {R"({"type":"string","format":"ipv4"})", {R"("255.0.10.1")"}, {R"("256.0.0.1")"}},
      {R"({"type":"string","format":"ipv6"})",
       {R"("::")", R"("fe80::1")", R"("1:2:3:4:5:6:7:8")"},
       {R"("1::2::3")"}},
      {R"({"type":"string","format":"uri"})", {R"("https://a.b/c?d=e#f")"}, {R"("a b")"}},
      {R"({"type":"string","format":"uuid"})",
       {R"("123e4567-e89b-12d3-a456-426614174000")"},
       {R"("123e4567")"}},
  });
}

// Against the numbers themselves, for many ranges.
TEST(JsonSchemaTest, RangesOfIntegersAreExact) {
  const std::vector<int> bounds = {-1200, -101, -100, -99, -10, -9,  -1,  0,
                                   1,     9,    10,   19,  99,  100, 1201};
  for (const int low : bounds) {
    for (const int high : bounds) {
      const auto grammar = CompileJsonSchema(absl::StrCat(R"({"type":"integer","minimum":)", low,
                                                          R"(,"exclusiveMaximum":)", high, "}"));
      EXPECT_EQ(grammar.ok(), low < high) << low << " " << high;
      if (!grammar.ok()) continue;
      for (int value = -1300; value <= 1300; value += value > -120 && value < 120 ? 1 : 7) {
        EXPECT_EQ(Accepts(*grammar, absl::StrCat(value)), value >= low && value < high)
            << value << " in " << low << " to " << high;
      }
    }
  }
}

TEST(JsonSchemaTest, RangesOfNumbersAreExact) {
  const std::vector<std::string> bounds = {"-12.5", "-1", "-0.25", "0",    "0.05",
                                           "0.5",   "1",  "9.99",  "10.01"};
  std::vector<std::string> values;
  for (const char* sign : {"", "-"}) {
    for (const char* whole : {"0", "1", "2", "9", "10", "12", "13"}) {
      for (const char* fraction : {"", ".0", ".05", ".050", ".0499", ".0501", ".25", ".2", ".5",
                                   ".51", ".99", ".01", ".990001"}) {
        values.push_back(absl::StrCat(sign, whole, fraction));
      }
    }
  }
  for (const std::string& low : bounds) {
    for (const std::string& high : bounds) {
      if (std::stod(low) > std::stod(high)) continue;
      for (const bool excluded : {false, true}) {
        const auto grammar =
            CompileJsonSchema(excluded ? absl::StrCat(R"({"type":"number","exclusiveMinimum":)",
                                                      low, R"(,"exclusiveMaximum":)", high, "}")
                                       : absl::StrCat(R"({"type":"number","minimum":)", low,
                                                      R"(,"maximum":)", high, "}"));
        if (low == high && excluded) {
          EXPECT_FALSE(grammar.ok());
          continue;
        }
        ASSERT_THAT(grammar, IsOk());
        for (const std::string& value : values) {
          const double number = std::stod(value);
          const bool inside = excluded ? number > std::stod(low) && number < std::stod(high)
                                       : number >= std::stod(low) && number <= std::stod(high);
          if (value[0] == '-' && number == 0) continue;  // -0 may be missing
          EXPECT_EQ(Accepts(*grammar, value), inside)
              << value << " in " << low << " to " << high << excluded;
        }
      }
    }
  }
}

TEST(JsonSchemaTest, Numbers) {
  Check({
      {R"({"type":"number"})",
       {"0", "-1.5", "2e10", "1E-5"},
       {"01", "1.", ".5", "+1", "1e", "NaN"}},
      {R"({"type":"integer"})", {"0", "-12", "9007199254740993"}, {"1.0", "01", "-0", "1e5"}},
      {R"({"type":"integer","multipleOf":7,"minimum":-20,"maximum":100})",
       {"0", "7", "98", "-14"},
       {"105", "-21", "5"}},
      {R"({"type":"number","multipleOf":0.01})", {"1", "1.5", "-1.55"}, {"1.555", "1e5"}},
      {R"({"type":"number","minimum":0,"maximum":1.7976931348623157e308})", {"5"}, {"-5"}},
      {R"({"type":["integer","null"],"minimum":1})", {"1", "null"}, {"0"}},
      {R"({"type":"boolean"})", {"true", "false"}, {"null", "True"}},
  });
}

TEST(JsonSchemaTest, Combinations) {
  Check({
      {R"({"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]})",
       {"12", R"("a")"},
       {R"("ab")", "null"}},
      {R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],
          "anyOf":[{"properties":{"a":{"minimum":10}}},{"properties":{"a":{"maximum":-10}}}],
          "additionalProperties":false})",
       {R"({"a": 10})", R"({"a": -10})"},
       {R"({"a": 5})"}},
      {R"({"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"x":{"type":"integer"}},
            "required":["k","x"],"additionalProperties":false},
           {"type":"object","properties":{"k":{"const":"b"}},"required":["k"],"additionalProperties":false}]})",
       {R"({"k": "a", "x": 1})", R"({"k": "b"})"},
       {R"({"k": "b", "x": 1})", R"({"k": "a"})"}},
      {R"({"oneOf":[{"type":"object","properties":{"a":{}},"required":["a"],"additionalProperties":false},
           {"type":"object","properties":{"b":{}},"required":["b"],"additionalProperties":false}]})",
       {R"({"a": 1})", R"({"b": 1})"},
       {"{}"}},
      {R"({"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},
           {"properties":{"a":{"minimum":3},"b":{"type":"string"}},"required":["b"]}]})",
       {R"({"a": 3, "b": "x"})"},
       {R"({"a": 2, "b": "x"})", R"({"a": 3})"}},
      {R"({"$defs":{"node":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/node"},
           {"type":"null"}]}},"required":["next"],"additionalProperties":false}},"$ref":"#/$defs/node"})",
       {R"({"next": null})", R"({"next": {"next": {"next": null}}})"},
       {R"({"next": {}})"}},
      {R"({"definitions":{"a/b":{"type":"null"}},"type":"array","items":{"$ref":"#/definitions/a~1b"}})",
       {"[null]"},
       {"[1]"}},
      // The alternatives of a schema hold again where it is used within itself.
      {R"({"$defs":{"x":{"anyOf":[{"type":"object","properties":{"c":{"allOf":[{"$ref":"#/$defs/x"},
           {"title":"t"}]}},"required":["c"],"additionalProperties":false},{"type":"null"}]}},
           "$ref":"#/$defs/x"})",
       {R"({"c": null})", R"({"c": {"c": null}})"},
       {R"({"c": 1})", R"({"c": {"c": 1}})"}},
      {R"({"title":"t","description":"d","default":1,"examples":[1],"$comment":"c","type":"null"})",
       {"null"},
       {"1"}},
      {"true", {"1", "{}"}, {"x"}},
  });
}

TEST(JsonSchemaTest, NamesWhatItRefuses) {
  const auto error = [](const std::string& schema) {
    return std::string(CompileJsonSchema(schema).status().message());
  };
  EXPECT_THAT(error(R"({"properties":{"a":{"not":{}}}})"),
              HasSubstr("$.properties.a: the keyword \"not\" is not supported"));
  for (const char* key :
       {"if", "propertyNames", "dependentRequired", "contains", "unevaluatedProperties"}) {
    EXPECT_THAT(error(absl::StrCat(R"({"type":"object",")", key, R"(":{}})")), HasSubstr(key));
  }
  EXPECT_THAT(error(R"({"type":"array","uniqueItems":true})"), HasSubstr("uniqueItems"));
  EXPECT_THAT(error(R"({"type":"text"})"), HasSubstr("got \"text\", expected the name of a type"));
  EXPECT_THAT(error(R"({"type":"string","format":"color"})"),
              HasSubstr("\"color\" is not supported"));
  EXPECT_THAT(error(R"j({"type":"string","pattern":"(?=a)"})j"),
              HasSubstr("$: pattern: byte 1: look-around"));
  EXPECT_THAT(error(R"({"oneOf":[{"type":"integer"},{"type":"number"}]})"),
              HasSubstr("alternatives 0 and 1 may hold together"));
  EXPECT_THAT(error(R"({"oneOf":[{"type":"object"},{"type":"object"}]})"),
              HasSubstr("may hold together"));
  EXPECT_THAT(error(R"({"$ref":"other.json"})"), HasSubstr("only references within the document"));
  EXPECT_THAT(error(R"({"$ref":"#/a/b"})"), HasSubstr("names nothing"));
  EXPECT_THAT(error(R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})"), HasSubstr("left recursion"));
  EXPECT_THAT(error(R"({"type":"object","enum":["a"]})"), HasSubstr("no text fulfils"));
  EXPECT_THAT(error(R"({"type":"integer","minimum":3,"maximum":2})"), HasSubstr("no text fulfils"));
  EXPECT_THAT(error("false"), HasSubstr("no text fulfils"));
  EXPECT_THAT(error(R"({"minLength":-1})"), HasSubstr("minLength: expected a whole number"));
  EXPECT_THAT(error(R"({"multipleOf":0})"), HasSubstr("expected a number above 0"));
  EXPECT_THAT(error(R"({"multipleOf":3.7})"), HasSubstr("multipleOf"));
  EXPECT_THAT(error("{"), HasSubstr("expected JSON"));
  EXPECT_THAT(error("[1]"), HasSubstr("$: expected a schema"));
  EXPECT_THAT(error(std::string(2 << 20, ' ')), HasSubstr("expected at most 262144"));
  std::string deep = "{}";
  for (int i = 0; i < 100; ++i) deep = absl::StrCat(R"({"items":)", deep, "}");
  EXPECT_THAT(error(deep), HasSubstr("deeper than 64"));
}

TEST(JsonSchemaTest, KeywordsHoldTogether) {
  Check({
      {R"({"type":"number","minimum":-1e18})", {"5", "-99999999999999999"}, {"-1e99", "-1e17"}},
      {R"({"type":"integer","minimum":9007199254740992,"allOf":[{"minimum":9007199254740993}]})",
       {"9007199254740993"},
       {"9007199254740992"}},
      {R"({"allOf":[{"enum":[{"a":1,"b":2.0},3]},{"enum":[{"b":2,"a":1}]}]})",
       {R"({"b": 2, "a": 1})"},
       {"3"}},
      {R"j({"type":"object","patternProperties":{"^[^\\w]$":{"type":"integer"}},
          "additionalProperties":{"type":"string"}})j",
       {R"({"-": 1, "ab": "x"})"},
       {R"({"é": "x"})", R"({"-": "x"})"}},
      {R"({"type":"object","properties":{"kind":{"enum":["a","b"]}},"required":["kind"],
          "additionalProperties":false,"anyOf":[{"properties":{"kind":{"const":"a"}}},
          {"properties":{"kind":{"const":"c"}}}]})",
       {R"({"kind": "a"})"},
       {R"({"kind": "b"})", R"({"kind": "c"})"}},
  });
  for (const char* schema :
       {R"({"allOf":[{"enum":[18446744073709551615]},{"enum":[-1]}]})",
        R"({"const":-1e20,"minimum":-1e18})",
        R"({"oneOf":[{"const":{"a":1,"b":2}},{"const":{"b":2,"a":1}}]})",
        R"({"enum":[{}],"properties":{"a":{"$ref":"#"}}})",
        R"({"type":"string","pattern":"^[\\ud800-\\udbff]$"})",
        R"({"type":"object","required":["é"],"patternProperties":{"^\\w$":{"type":"integer"}}})",
        R"({"$defs":{"a":{"$id":"http://x/a","$ref":"#/$defs/n"},"n":{}},"$ref":"#/$defs/a"})",
        R"({"properties":{"a":{"required":true}}})"}) {
    EXPECT_FALSE(CompileJsonSchema(schema).ok()) << schema;
  }
}

// Small schemas that would be large if their alternatives or lengths were written out.
TEST(JsonSchemaTest, HostileSchemasEndSoon) {
  const std::string any =
      R"({"anyOf":[{"minLength":1},{"minLength":2},{"minLength":3},{"minLength":4}]})";
  std::string product = any;
  for (int i = 0; i < 20; ++i) absl::StrAppend(&product, ",", any);
  EXPECT_FALSE(CompileJsonSchema(absl::StrCat(R"({"allOf":[)", product, "]}")).ok());
  EXPECT_FALSE(
      CompileJsonSchema(R"j({"type":"string","pattern":"(a|b)*a(a|b){30}","maxLength":1000000})j")
          .ok());
  EXPECT_THAT(CompileJsonSchema(R"({"type":"string","maxLength":1000000000})"), IsOk());
  const auto repeat = [](int count, const std::function<std::string(int)>& part) {
    std::string text;
    for (int i = 0; i < count; ++i) absl::StrAppend(&text, i == 0 ? "" : ",", part(i));
    return text;
  };
  // A long chain of references needs no deep stack.
  const std::string chain = repeat(1000, [](int i) {
    return absl::StrCat("\"d", i, R"(":{"type":"object","properties":{"a":{"$ref":"#/$defs/d)",
                        i + 1, "\"}}}");
  });
  EXPECT_THAT(CompileJsonSchema(
                  absl::StrCat(R"({"$ref":"#/$defs/d0","$defs":{)", chain, R"(,"d1000":{}}})")),
              IsOk());
  // Alternatives that are compared pair by pair, with patterns to compile for each pair.
  const std::string patterns =
      repeat(16, [](int i) { return absl::StrCat("\"^p", i, R"j(\\p{L}+$":{})j"); });
  const std::string distinct = repeat(100, [&](int i) {
    return absl::StrCat(R"({"type":"object","properties":{"k":{"const":)", i,
                        R"(}},"required":["k"],"patternProperties":{)", patterns, "}}");
  });
  EXPECT_FALSE(CompileJsonSchema(absl::StrCat(R"({"oneOf":[)", distinct, "]}")).ok());
  // Sets of schemas that multiply.
  const std::string sets = repeat(14, [](int i) {
    const std::string next = absl::StrCat(R"({"$ref":"#/$defs/q)", i + 2, "\"}");
    return absl::StrCat("\"q", i + 1, R"(":{"properties":{"a":)", next, R"(,"b":)", next, "}}");
  });
  EXPECT_FALSE(
      CompileJsonSchema(
          absl::StrCat(
              R"({"$ref":"#/$defs/q0","$defs":{"q0":{"properties":{"a":{"allOf":[{"$ref":"#/$defs/q0"},)",
              R"({"$ref":"#/$defs/q1"}]},"b":{"$ref":"#/$defs/q0"}}},"q15":{},)", sets, "}}"))
          .ok());
  for (const std::string& schema :
       {absl::StrCat(R"({"default":{)",
                     repeat(20000, [](int i) { return absl::StrCat("\"", i, "\":1"); }), "}}"),
        absl::StrCat(R"({"allOf":[)",
                     repeat(8000, [](int i) { return absl::StrCat(R"({"minLength":)", i, "}"); }),
                     "]}"),
        absl::StrCat(R"({"type":"string","allOf":[)",
                     repeat(60, [](int i) { return absl::StrCat(R"({"pattern":"a)", i, "\"}"); }),
                     "]}"),
        absl::StrCat(R"({"type":"object","properties":{)",
                     repeat(200,
                            [](int i) {
                              return absl::StrCat("\"a", i, R"(":{"type":"integer","multipleOf":)",
                                                  200 + i, "}");
                            }),
                     "}}"),
        absl::StrCat(R"({"type":"string","pattern":")", std::string(60000, '.'), "\"}")}) {
    EXPECT_FALSE(CompileJsonSchema(schema).ok()) << schema.substr(0, 80);
  }
  EXPECT_THAT(CompileJsonSchema(
                  absl::StrCat(R"({"default":[)", repeat(80000, [](int) { return "{}"; }), "]}")),
              IsOk());
  EXPECT_THAT(CompileJsonSchema(absl::StrCat(
                  R"({"enum":[)", repeat(20000, [](int i) { return absl::StrCat(i); }), "]}")),
              IsOk());
  EXPECT_THAT(CompileJsonSchema(R"({"type":"array","minItems":1000000000})"), IsOk());
}

}  // namespace
}  // namespace recycling::constraint
