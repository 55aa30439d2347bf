// SPDX-License-Identifier: Apache-2.0
// The recipe.yaml of exllamav3: whole bits per linear, by tensor name.
#include "core/export/packed_format.h"
#include "core/export/recipe_format.h"

#include <charconv>
#include <fmt/format.h>
#include <unordered_map>

namespace qs {

namespace {

constexpr std::string_view kHead = "lm_head";

bool looksLikeExl3(std::string_view text) {
    return text.find("\ntensors:") != text.npos || text.starts_with("tensors:");
}

/// One line "key: value", without a comment and white space around either.
struct Line {
    std::string_view key, value;
    bool indented = false;
};

std::string_view trimmed(std::string_view s) {
    const size_t first = s.find_first_not_of(" \t\r");
    if (first == s.npos) return {};
    return s.substr(first, s.find_last_not_of(" \t\r") - first + 1);
}

Result<std::vector<Line>> linesOf(const RecipeText& in) {
    std::vector<Line> out;
    size_t number = 0;
    for (size_t at = 0; at < in.text.size();) {
        const size_t end = std::min(in.text.find('\n', at), in.text.size());
        std::string_view raw = in.text.substr(at, end - at);
        at = end + 1;
        ++number;
        raw = raw.substr(0, raw.find('#'));
        const std::string_view line = trimmed(raw);
        if (line.empty() || line == "---") continue;
        const size_t colon = line.rfind(':');
        if (colon == line.npos)
            return Error::corrupt(fmt::format("line {}: must be 'key: value', is '{}'", number, line),
                                  in.where);
        std::string_view key = trimmed(line.substr(0, colon));
        if (key.size() >= 2 && (key.front() == '"' || key.front() == '\'') && key.back() == key.front())
            key = key.substr(1, key.size() - 2);
        out.push_back({key, trimmed(line.substr(colon + 1)), raw.front() == ' ' || raw.front() == '\t'});
    }
    return out;
}

Result<int> bitsOf(const Line& line, const std::string& where) {
    int bits = 0;
    const auto [end, error] = std::from_chars(line.value.data(), line.value.data() + line.value.size(), bits);
    if (error != std::errc() || end != line.value.data() + line.value.size() || bits < 1 || bits > 8)
        return Error::corrupt(fmt::format("{}: bits must be 1 .. 8, are '{}'", line.key, line.value), where);
    return bits;
}

/// `base` with so many bits.
Result<Scheme> withBits(const Scheme& base, int bits, const std::string& where) {
    QS_TRY(const CodecDescriptor* codec, findCodec(base.codec));
    if (!codec->withBits)
        return Error::unsupported(codec->label + " has no choice of bits: name another codec", where);
    Scheme out = base;
    auto params = codec->withBits(base.codecParams, bits);
    if (!params) return params.takeError().at(where);
    out.codecParams = std::move(*params);
    return out;
}

std::unordered_map<std::string_view, size_t> targetsByName(const std::vector<std::string>& names) {
    std::unordered_map<std::string_view, size_t> out;
    for (size_t t = 0; t < names.size(); ++t)
        out.emplace(names[t], t);
    return out;
}

std::vector<std::string> namesOf(const Model& model) {
    std::vector<std::string> out;
    for (const QuantTarget& t : model.targets())
        out.push_back(linearPrefix(t));
    return out;
}

Result<ForeignRecipe> readExl3(const RecipeText& in, const Model& model, const Scheme& base) {
    ForeignRecipe out;
    out.schemes.resize(model.targets().size());
    const auto names = namesOf(model);
    const auto known = targetsByName(names);
    QS_TRY(const auto lines, linesOf(in));
    bool tensors = false;
    for (const Line& line : lines) {
        if (!line.indented) tensors = line.key == "tensors";
        const bool head = !line.indented && line.key == "head_bits";
        if (!head && !(tensors && line.indented)) {
            if (line.key != "tensors") out.notes.push_back(fmt::format("{}: {}", line.key, line.value));
            continue;
        }
        const std::string_view name = head ? kHead : line.key;
        const auto it = known.find(name);
        if (it == known.end() && head) {
            out.notes.push_back(fmt::format("head_bits: {}; the head is not one of the linears", line.value));
            continue;
        }
        out.patterns.push_back({std::string(name), size_t(it != known.end())});
        if (it == known.end()) continue;
        QS_TRY(const int bits, bitsOf(line, in.where));
        QS_TRY(out.schemes[it->second], withBits(base, bits, in.where + ": " + std::string(name)));
    }
    if (out.patterns.empty()) return Error::corrupt("tensors: names no linear", in.where);
    return out;
}

Result<std::string> writeExl3(const Plan& plan, const Model&) {
    std::string head, tensors;
    double bits = 0, weights = 0;
    for (const PlanEntry& e : plan.entries) {
        const std::string name = linearPrefix(e.target);
        if (!e.scheme) {
            if (name == kHead) continue;
            return Error::unsupported("the recipe of exllamav3 names every linear, and this one is kept",
                                      e.target.module);
        }
        QS_TRY(const auto codec, createCodec(e.scheme->codec, e.scheme->codecParams));
        if (name == kHead)
            head = fmt::format("head_bits: {}\n", codec->bits());
        else
            tensors += fmt::format("  {}: {}\n", name, codec->bits());
        if (name == kHead) continue;
        bits += double(e.target.rows) * double(e.target.cols) * codec->bits();
        weights += double(e.target.rows) * double(e.target.cols);
    }
    const double mean = weights > 0 ? bits / weights : 0;
    return fmt::format("target_bpw: {:.4f}\nachieved_bpw: {:.4f}\n{}tensors:\n{}", mean, mean, head, tensors);
}

} // namespace

const RecipeFormatDescriptor& recipe_format_exl3() {
    static const RecipeFormatDescriptor d = [] {
        RecipeFormatDescriptor x;
        x.id = "exl3";
        x.label = "exllamav3 recipe";
        x.summary = "whole bits for every linear, by name (convert.py --recipe)";
        x.citation = "exllamav3, doc/optimize.md";
        x.extension = "yaml";
        x.looksLike = looksLikeExl3;
        x.read = readExl3;
        x.write = writeExl3;
        return x;
    }();
    return d;
}

} // namespace qs
