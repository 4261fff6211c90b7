#include "tests/doubles/exposition.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <regex>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "tests/doubles/http_get.h"

namespace recycling::doubles {
namespace {

using Labels = std::map<std::string, std::string>;  // by name; values are still escaped

absl::Status Wrong(std::string_view what, std::string_view line) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(what), ": ", std::string(line)));
}

std::string Key(const std::string& name, const Labels& labels) {
  if (labels.empty()) return name;
  return absl::StrCat(name, "{",
                      absl::StrJoin(labels, ",",
                                    [](std::string* out, const auto& label) {
                                      absl::StrAppend(out, label.first, "=\"", label.second, "\"");
                                    }),
                      "}");
}

absl::StatusOr<double> Number(const std::string& text) {
  double value = 0;
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  if (text == "Nan" || text == "NaN") return std::nan("");
  if (absl::SimpleAtod(text, &value)) return value;
  return Wrong("not a number", text);
}

class Parser {
 public:
  absl::Status Line(const std::string& line) {
    if (line.starts_with("# HELP ")) return Help(line);
    if (line.starts_with("# TYPE ")) return Type(line);
    return Sample(line);
  }

  absl::StatusOr<Exposition> Finish() {
    for (const auto& [series, buckets] : buckets_) {
      RETURN_IF_ERROR(Histogram(series, buckets));
    }
    return std::move(exposition_);
  }

 private:
  absl::Status Help(const std::string& line) {
    static const std::regex kHelp("# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) [^\\s].*");
    std::smatch match;
    if (!std::regex_match(line, match, kHelp)) return Wrong("bad help", line);
    family_ = match[1];
    if (!helped_.insert(family_).second) return Wrong("a family with two help lines", line);
    return absl::OkStatus();
  }

  absl::Status Type(const std::string& line) {
    static const std::regex kType("# TYPE ([^ ]+) (counter|gauge|histogram|summary)");
    std::smatch match;
    if (!std::regex_match(line, match, kType)) return Wrong("bad type", line);
    if (match[1] != family_ || exposition_.types.count(family_) > 0) {
      return Wrong("a type line that does not follow the help line of its family", line);
    }
    if (match[2] == "counter" && !family_.ends_with("_total")) {
      return Wrong("a counter that does not end in _total", line);
    }
    exposition_.types[family_] = match[2];
    return absl::OkStatus();
  }

  absl::Status Sample(const std::string& line) {
    static const std::regex kSample("([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\\{(.*)\\})? ([^ ]+)");
    std::smatch match;
    if (!std::regex_match(line, match, kSample)) return Wrong("not a sample", line);
    const std::string name = match[1];
    ASSIGN_OR_RETURN(const Labels labels, ParseLabels(match[2]));
    ASSIGN_OR_RETURN(const double value, Number(match[3]));
    const auto type = exposition_.types.find(family_);
    if (type == exposition_.types.end() || !Belongs(name, type->second)) {
      return Wrong("a sample that does not belong to the family before it", line);
    }
    if (type->second == "counter" && !(value >= 0)) return Wrong("a counter below 0", line);
    if (!exposition_.samples.emplace(Key(name, labels), value).second) {
      return Wrong("a series that occurs twice", line);
    }
    if (name == family_ + "_bucket") {
      Labels series = labels;
      const std::string bound = series["le"];
      series.erase("le");
      ASSIGN_OR_RETURN(const double upper, Number(bound));
      buckets_[{family_, Key("", series)}].push_back({upper, value});
    }
    return absl::OkStatus();
  }

  bool Belongs(const std::string& name, const std::string& type) const {
    if (type == "counter" || type == "gauge") return name == family_;
    return name == family_ + "_sum" || name == family_ + "_count" ||
           name == (type == "histogram" ? family_ + "_bucket" : family_);
  }

  static absl::StatusOr<Labels> ParseLabels(std::string text) {
    static const std::regex kLabel(
        "([a-zA-Z_][a-zA-Z0-9_]*)=\"((?:[^\"\\\\]|\\\\[\\\\n\"])*)\"(,?)");
    Labels labels;
    std::smatch match;
    while (!text.empty()) {
      if (!std::regex_search(text, match, kLabel, std::regex_constants::match_continuous) ||
          !labels.emplace(match[1], match[2]).second ||
          (match[3].length() == 0) != (match.suffix().length() == 0)) {
        return Wrong("bad labels", text);
      }
      text = match.suffix();
    }
    return labels;
  }

  using Buckets = std::vector<std::pair<double, double>>;

  absl::Status Histogram(const std::pair<std::string, std::string>& series,
                         const Buckets& buckets) const {
    for (std::size_t i = 1; i < buckets.size(); ++i) {
      if (buckets[i].first <= buckets[i - 1].first || buckets[i].second < buckets[i - 1].second) {
        return Wrong("buckets that do not ascend", series.first + series.second);
      }
    }
    const auto count = exposition_.samples.find(series.first + "_count" + series.second);
    if (!std::isinf(buckets.back().first) || count == exposition_.samples.end() ||
        count->second != buckets.back().second) {
      return Wrong("buckets whose last value is not the count", series.first + series.second);
    }
    return absl::OkStatus();
  }

  Exposition exposition_;
  std::string family_;
  std::set<std::string> helped_;
  std::map<std::pair<std::string, std::string>, Buckets> buckets_;  // by family and labels
};

}  // namespace

double Exposition::operator[](const std::string& sample) const {
  const auto found = samples.find(sample);
  if (found != samples.end()) return found->second;
  ADD_FAILURE() << "no sample " << sample;
  return 0;
}

std::set<std::string> Exposition::Names() const {
  std::set<std::string> names;
  for (const auto& [sample, value] : samples) names.insert(sample.substr(0, sample.find('{')));
  return names;
}

absl::StatusOr<Exposition> ParseExposition(const std::string& text) {
  if (!text.ends_with('\n')) return Wrong("no line end at the end of the text", text.substr(0, 80));
  Parser parser;
  for (const auto& line : absl::StrSplit(text.substr(0, text.size() - 1), '\n')) {
    RETURN_IF_ERROR(parser.Line(std::string(line)));
  }
  return parser.Finish();
}

absl::StatusOr<Exposition> Scrape(const std::string& address) {
  ASSIGN_OR_RETURN(const HttpAnswer answer, HttpGet(address, "/metrics"));
  if (answer.code != 200) return absl::UnavailableError(absl::StrCat("HTTP ", answer.code));
  return ParseExposition(answer.body);
}

}  // namespace recycling::doubles
