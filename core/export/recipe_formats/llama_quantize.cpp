// SPDX-License-Identifier: Apache-2.0
// llama-quantize's --tensor-type PATTERN=TYPE options, or the file of --tensor-type-file: the first pattern
// that is found in a tensor's name decides.
#include "core/base/ascii.h"
#include "core/export/gguf_blocks.h"
#include "core/export/recipe_format.h"
#include "core/model/gguf_architecture.h"
#include "core/text/regex.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace qs {

namespace {

/// A tensor of the file, as its name's pattern and numbers.
struct GgufPlace {
    const GgufName* rule = nullptr;
    GgufNumbers numbers;
    std::string name() const { return fillGgufName(rule->gguf, numbers) + ".weight"; }
};

Result<const GgufArchitecture*> architectureOf(const Model& model) {
    if (const GgufArchitecture* a = ggufArchitectureOf(model)) return a;
    return Error::unsupported("llama.cpp has no architecture for it, so its tensors have no names there",
                              model.checkpoint().displayName());
}

std::optional<GgufPlace> placeOf(const GgufArchitecture& architecture, const std::string& tensor) {
    constexpr std::string_view suffix = ".weight";
    if (!tensor.ends_with(suffix)) return std::nullopt;
    GgufPlace place;
    place.rule = ggufRuleOfHf(architecture, std::string_view(tensor).substr(0, tensor.size() - suffix.size()),
                              place.numbers);
    return place.rule ? std::optional(place) : std::nullopt;
}

struct Option {
    std::string text; ///< as written
    text::Pattern pattern;
    std::string type; ///< lower case
};

bool isPlain(const std::string& type) {
    return type == "f32" || type == "f16" || type == "bf16";
}

Result<Option> optionOf(std::string_view word, const std::string& where) {
    const size_t equals = word.find('='); // the first, as llama-quantize
    if (equals == word.npos || equals == 0 || equals + 1 == word.size())
        return Error::corrupt(fmt::format("must be PATTERN=TYPE, is '{}'", word), where);
    const std::string type = lowerCase(word.substr(equals + 1));
    QS_TRY(const CodecDescriptor* ggml, findCodec("ggml"));
    const auto& types = ggml->params.front().choices;
    if (!isPlain(type) && std::find(types.begin(), types.end(), type) == types.end())
        return Error::unsupported(
            fmt::format("type '{}' of '{}': known are {}, and f32, f16, bf16 for what is "
                        "kept",
                        word.substr(equals + 1), word, fmt::join(types, ", ")),
            where);
    QS_TRY(auto pattern, text::Pattern::regex(lowerCase(word.substr(0, equals)), where));
    return Option{std::string(word), std::move(pattern), type};
}

/// The words of a pasted command, without the option's own name and quotes.
Result<std::vector<Option>> optionsOf(const RecipeText& in) {
    std::vector<Option> out;
    const std::string_view blank = " \t\r\n\\";
    for (size_t at = in.text.find_first_not_of(blank); at != in.text.npos;) {
        const size_t end = std::min(in.text.find_first_of(" \t\r\n", at), in.text.size());
        std::string_view word = in.text.substr(at, end - at);
        at = in.text.find_first_not_of(blank, end);
        if (word == "--tensor-type") continue;
        if (word.size() >= 2 && (word.front() == '"' || word.front() == '\'') && word.back() == word.front())
            word = word.substr(1, word.size() - 2);
        QS_TRY(Option option, optionOf(word, in.where));
        out.push_back(std::move(option));
    }
    if (out.empty()) return Error::corrupt("holds no PATTERN=TYPE", in.where);
    return out;
}

Result<bool> found(const Option& option, const std::string& name) {
    std::vector<text::Stretch> stretches;
    QS_CHECK(option.pattern.findAll(name, stretches));
    return std::any_of(stretches.begin(), stretches.end(), [](const auto& s) { return s.isMatch; });
}

/// What the options say of one tensor of the file: the first that is found decides.
class Matcher {
public:
    explicit Matcher(std::vector<Option> options) : options_(std::move(options)), counts_(options_.size()) {}

    struct Count {
        size_t linears = 0, decided = 0;
        std::string other; ///< a tensor that is no linear
    };

    /// nullptr when none is found.
    Result<const Option*> decide(const std::string& name, bool linear) {
        const Option* first = nullptr;
        for (size_t i = 0; i < options_.size(); ++i) {
            QS_TRY(const bool matches, found(options_[i], name));
            if (!matches) continue;
            if (linear) ++counts_[i].linears;
            if (!linear && counts_[i].other.empty()) counts_[i].other = name;
            if (linear && !first) ++counts_[i].decided;
            if (!first) first = &options_[i];
        }
        return first;
    }

    void report(ForeignRecipe& out) const {
        for (size_t i = 0; i < options_.size(); ++i) {
            const Count& c = counts_[i];
            if (c.linears == 0 && !c.other.empty()) {
                out.notes.push_back(
                    fmt::format("'{}' is for {}, which keeps its type here", options_[i].text, c.other));
                continue;
            }
            out.patterns.push_back({options_[i].text, c.linears});
            if (c.linears > 0 && c.decided == 0)
                out.notes.push_back(
                    fmt::format("'{}' decides nothing: earlier patterns match the same", options_[i].text));
        }
    }

private:
    std::vector<Option> options_;
    std::vector<Count> counts_;
};

Result<ForeignRecipe> readLlama(const RecipeText& in, const Model& model, const Scheme& base) {
    QS_TRY(const GgufArchitecture* architecture, architectureOf(model));
    QS_TRY(auto options, optionsOf(in));
    Matcher matcher(std::move(options));
    ForeignRecipe out;
    out.schemes.resize(model.targets().size());
    std::set<std::string> linears;
    size_t unnamed = 0;
    for (size_t t = 0; t < model.targets().size(); ++t) {
        const QuantTarget& target = model.targets()[t];
        const auto place = placeOf(*architecture, target.place.tensor);
        linears.insert(target.place.tensor);
        if (!place) continue;
        QS_TRY(const Option* option, matcher.decide(place->name(), true));
        unnamed += !option;
        if (!option || isPlain(option->type)) continue;
        QS_TRY(out.schemes[t], schemeWithCodec(base, "ggml", {{"type", option->type}}, in.where));
    }
    for (const TensorInfo& tensor : model.checkpoint().tensors())
        if (const auto place = placeOf(*architecture, tensor.name); place && !linears.count(tensor.name))
            QS_CHECK(matcher.decide(place->name(), false));
    if (unnamed > 0)
        out.notes.push_back(fmt::format("{} linears match no pattern and are kept: llama-quantize would give "
                                        "them the type of its command line",
                                        unnamed));
    matcher.report(out);
    return out;
}

Result<std::string> typeOf(const PlanEntry& entry, const Model& model) {
    if (entry.scheme) {
        auto type = ggufTypeOf(*entry.scheme);
        if (!type) return type.takeError().at(entry.target.module);
        return lowerCase((*type)->name);
    }
    const size_t index = model.checkpoint().find(entry.target.place.tensor);
    const std::string type =
        index == Checkpoint::npos ? "" : lowerCase(model.checkpoint().tensors()[index].typeName());
    if (!isPlain(type))
        return Error::unsupported(fmt::format("is kept as {}, which llama-quantize has no name for", type),
                                  entry.target.module);
    return type;
}

std::string escaped(std::string_view name) {
    std::string out;
    for (const char c : name) {
        if (c == '.') out += '\\';
        out += c;
    }
    return out;
}

/// One pattern per name and type: the blocks in it, or any number where all have it.
Result<std::string> writeLlama(const Plan& plan, const Model& model) {
    QS_TRY(const GgufArchitecture* architecture, architectureOf(model));
    std::vector<std::string_view> order;
    std::map<std::string_view, std::map<std::string, std::set<uint64_t>>> blocksOf; // by name, by type
    for (const PlanEntry& e : plan.entries) {
        const auto place = placeOf(*architecture, e.target.place.tensor);
        if (!place) return Error::unsupported("llama.cpp has no name for it", e.target.module);
        QS_TRY(const std::string type, typeOf(e, model));
        if (!blocksOf.count(place->rule->gguf)) order.push_back(place->rule->gguf);
        blocksOf[place->rule->gguf][type].insert(place->numbers.value[0]);
    }
    std::string out;
    for (const std::string_view name : order)
        for (const auto& [type, blocks] : blocksOf[name]) {
            const std::string numbers =
                blocksOf[name].size() == 1 ? "\\d+" : fmt::format("({})", fmt::join(blocks, "|"));
            std::string pattern = escaped(name);
            if (const size_t at = pattern.find("{}"); at != pattern.npos) pattern.replace(at, 2, numbers);
            out += fmt::format("^{}\\.weight$={}\n", pattern, type);
        }
    return out;
}

} // namespace

const RecipeFormatDescriptor& recipe_format_llama_quantize() {
    static const RecipeFormatDescriptor d = [] {
        RecipeFormatDescriptor x;
        x.id = "llama_quantize";
        x.label = "llama-quantize tensor types";
        x.summary = "PATTERN=TYPE for each tensor of a GGUF file (--tensor-type, --tensor-type-file)";
        x.citation = "llama.cpp, tools/quantize";
        x.extension = "txt";
        x.looksLike = [](std::string_view text) {
            const size_t first = text.find_first_not_of(" \t\r\n");
            return first != text.npos && text[first] != '{' && text.find('=') != text.npos;
        };
        x.read = readLlama;
        x.write = writeLlama;
        return x;
    }();
    return d;
}

} // namespace qs
