// SPDX-License-Identifier: Apache-2.0
#include "core/recipe/kv_scheme.h"

#include <array>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::json;

namespace {

struct Preset {
    const char *name, *codec, *params;
};
/// Groups of 32 channels: heads are multiples of 32 nearly always.
constexpr std::array<Preset, 7> kPresets = {
    {{"int8", "int", R"({"bits": 8, "grid": "asymmetric", "group": 32})"},
     {"int4", "int", R"({"bits": 4, "grid": "asymmetric", "group": 32})"},
     {"int3", "int", R"({"bits": 3, "grid": "asymmetric", "group": 32})"},
     {"int2", "int", R"({"bits": 2, "grid": "asymmetric", "group": 32})"},
     {"fp8", "float", R"({"format": "e4m3", "group": -1})"},
     {"q8_0", "ggml", R"({"type": "q8_0"})"},
     {"q4_0", "ggml", R"({"type": "q4_0"})"}}};

Result<InputScheme> formatOf(std::string_view name) {
    for (const Preset& p : kPresets)
        if (name == p.name)
            return InputScheme::fromJson({{"codec", p.codec}, {"codec_params", json::parse(p.params)}},
                                         "kv_cache");
    return Error::notFound(
        fmt::format("no format '{}' of the KV cache; known: {}", name, fmt::join(KvScheme::presets(), ", ")));
}

std::string nameOf(const InputScheme& format) {
    for (const Preset& p : kPresets)
        if (const auto same = formatOf(p.name); same && *same == format) return p.name;
    return format.label();
}

/// "int4@512" ends at age 512; the last part has no age.
Result<std::pair<InputScheme, std::optional<size_t>>> partOf(std::string_view text) {
    const size_t at = text.find('@');
    QS_TRY(InputScheme format, formatOf(text.substr(0, at)));
    if (at == std::string_view::npos) return std::pair(std::move(format), std::optional<size_t>());
    size_t age = 0;
    const std::string_view digits = text.substr(at + 1);
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), age);
    if (ec != std::errc() || end != digits.data() + digits.size())
        return Error::invalid(fmt::format("'{}' is not an age in tokens", digits));
    return std::pair(std::move(format), std::optional(age));
}

Result<void> requireAges(const std::vector<KvScheme::Aging>& aging) {
    size_t before = 0;
    for (const KvScheme::Aging& a : aging) {
        if (a.age <= before || a.age > KvScheme::kMostExactTokens)
            return Error::invalid(fmt::format("ages must ascend, from 1 to {}; {} comes after {}",
                                              KvScheme::kMostExactTokens, a.age, before));
        before = a.age;
    }
    if (aging.size() <= KvScheme::kMostSteps) return {};
    return Error::invalid(
        fmt::format("{} steps of age; at most {}", aging.size(), size_t(KvScheme::kMostSteps)));
}

/// Reads the members of one object.
class Reader {
public:
    Reader(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

    Result<void> flag(const char* key, bool& out) const {
        const auto it = object_.find(key);
        if (it == object_.end()) return {};
        if (!it->is_boolean())
            return Error::invalid(fmt::format("'{}' must be true or false, got {}", key, it->dump()), where_);
        out = it->get<bool>();
        return {};
    }
    Result<void> count(const char* key, size_t least, size_t most, size_t& out) const {
        const auto it = object_.find(key);
        if (it == object_.end()) return {};
        if (!it->is_number_unsigned() || it->get<uint64_t>() < least || it->get<uint64_t>() > most)
            return Error::invalid(fmt::format("'{}' must be {} .. {}, got {}", key, least, most, it->dump()),
                                  where_);
        out = it->get<size_t>();
        return {};
    }
    Result<void> share(const char* key, double most, double& out) const {
        const auto it = object_.find(key);
        if (it == object_.end()) return {};
        if (!it->is_number() || !(it->get<double>() >= 0 && it->get<double>() <= most))
            return Error::invalid(fmt::format("'{}' must be 0 .. {:g}, got {}", key, most, it->dump()),
                                  where_);
        out = it->get<double>();
        return {};
    }
    Result<void> format(const char* key, std::optional<InputScheme>& out) const {
        const auto it = object_.find(key);
        if (it == object_.end()) return {};
        QS_TRY(out, InputScheme::fromJson(*it, where_ + "." + key));
        return {};
    }
    /// The object under `key`; null without one.
    Result<std::optional<Reader>> object(const char* key) const {
        const auto it = object_.find(key);
        if (it == object_.end()) return std::optional<Reader>();
        if (!it->is_object())
            return Error::invalid(fmt::format("'{}' must be an object, got {}", key, it->dump()), where_);
        return std::optional<Reader>(Reader(*it, where_ + "." + key));
    }
    Result<void> requireKnown(const std::vector<const char*>& keys) const {
        for (const auto& [key, value] : object_.items())
            if (std::none_of(keys.begin(), keys.end(), [name = key](const char* k) { return name == k; }))
                return Error::invalid(fmt::format("unknown key '{}'; known: {}", key, fmt::join(keys, ", ")),
                                      where_);
        return {};
    }

private:
    const json& object_;
    std::string where_;
};

Result<std::vector<KvScheme::Aging>> agingFromJson(const json& object, const std::string& where) {
    std::vector<KvScheme::Aging> out;
    if (!object.contains("aging")) return out;
    const json& list = object.at("aging");
    if (!list.is_array())
        return Error::invalid("'aging' must be a list of objects, got " + list.dump(), where);
    for (size_t i = 0; i < list.size(); ++i) {
        const std::string place = fmt::format("{}.aging[{}]", where, i);
        if (!list[i].is_object()) return Error::invalid("must be an object, got " + list[i].dump(), place);
        const Reader step(list[i], place);
        KvScheme::Aging a;
        QS_CHECK(step.requireKnown({"age", "keys", "values"}));
        QS_CHECK(step.count("age", 1, KvScheme::kMostExactTokens, a.age));
        QS_CHECK(step.format("keys", a.keys));
        QS_CHECK(step.format("values", a.values));
        if (!a.keys && !a.values) return Error::invalid("has neither keys nor values", place);
        out.push_back(std::move(a));
    }
    if (auto ages = requireAges(out); !ages) return ages.takeError().at(where);
    return out;
}

/// What cannot be had together.
Result<void> requireSense(const KvScheme& s, const std::string& where) {
    const bool anyKeyAge = std::any_of(s.aging.begin(), s.aging.end(),
                                       [](const KvScheme::Aging& a) { return a.keys.has_value(); });
    const bool anyAbove = (s.keys && s.keys->keepAbove > 0) ||
                          std::any_of(s.aging.begin(), s.aging.end(), [](const KvScheme::Aging& a) {
                              return a.keys && a.keys->keepAbove > 0;
                          });
    const struct {
        bool wrong;
        const char* why;
    } rules[] = {
        {!s.keys && !s.values && !s.keyCodebook, "has neither keys nor values"},
        {s.keyCodebook && s.keys, "keys have a format or a codebook, not both"},
        {s.keyCodebook && (s.keysStatic || s.keysPerChannel || s.smoothChannels || anyKeyAge),
         "keys with a codebook are rounded by it alone: leave out keys_static, keys_per_channel, "
         "smooth_channels and the keys of aging"},
        {s.keysStatic && !s.keys, "keys_static needs a format of keys"},
        {s.keysStatic && s.keysPerChannel,
         "keys_per_channel finds ranges in runs of tokens, keys_static has them from calibration: not both"},
        {s.keysStatic && anyAbove, "keys_static cuts ranges by keys_kept: leave out keep_above"},
        {s.keysKept > 0 && !s.keysStatic, "keys_kept goes with keys_static"},
        {s.smoothChannels && (s.keysStatic || s.keysPerChannel),
         "smooth_channels is for keys that are rounded token by token"},
        {s.keysPerChannel && (s.pastOnly || !s.aging.empty() || s.windowedRope),
         "keys_per_channel rounds runs of 32 tokens, which have no single age: leave out past_only, aging "
         "and "
         "windowed_rope"},
        {s.bestTokens > 0 && !s.keys && !s.keyCodebook,
         "best_tokens are found by rounded keys: name a format of keys or a codebook"},
        {s.windowedRope && !s.keysBeforeRope, "windowed_rope needs keys_before_rope"}};
    for (const auto& rule : rules)
        if (rule.wrong) return Error::invalid(rule.why, where);
    return {};
}

constexpr const char* kKvQuant = "Hooper et al. 2024, arXiv:2401.18079 (KVQuant)";
constexpr const char* kWkvQuant = "Yue et al. 2024, arXiv:2402.12065 (WKVQuant)";
constexpr const char* kA2ats = "He et al. 2025, arXiv:2502.12665 (A2ATS)";

constexpr std::array<KvOption, 11> kOptions = {
    {{"keys_per_channel", "Keys per channel",
      "Keys are rounded channel by channel over runs of 32 tokens; the last, unfinished run is kept",
      "Liu et al. 2024, arXiv:2402.02750 (KIVI)"},
     {"keys_before_rope", "Keys before rotation",
      "Keys are rounded before the rotary embedding, which is applied to what is read", kKvQuant},
     {"exact_tokens", "Exact first tokens", "So many tokens at the start of a context are kept", kKvQuant},
     {"keys_static", "Static ranges of keys",
      "One scale per channel for all tokens, from the calibration text", kKvQuant},
     {"keys_kept", "Kept keys",
      "Share of the keys outside of the quantiles that bound static ranges; they are kept", kKvQuant},
     {"smooth_channels", "Shifted and scaled channels",
      "Channels are shifted and scaled by what the calibration text shows, then rounded token by token",
      kWkvQuant},
     {"past_only", "Past only", "The step that writes a token reads it exactly", kWkvQuant},
     {"aging", "Bits by age", "Further formats from an age in tokens on: bits fall as tokens grow old",
      "Staircase by age (SAQ)"},
     {"key_codebook", "Codebook of keys",
      "Keys as indices into codebooks fitted to what the queries of the calibration text make of them",
      kA2ats},
     {"windowed_rope", "Windowed rotation",
      "Keys beyond a window are read as if they were a fixed number of tokens back", kA2ats},
     {"best_tokens", "Best tokens alone",
      "Rounded keys only find so many tokens that matter most to a query; it attends to those, with exact "
      "keys",
      kA2ats}}};

} // namespace

std::span<const KvOption> kvOptions() {
    return kOptions;
}

std::vector<std::string> KvScheme::presets() {
    std::vector<std::string> names;
    for (const Preset& p : kPresets)
        names.emplace_back(p.name);
    return names;
}

Result<KvScheme> KvScheme::preset(const std::string& name) {
    KvScheme s;
    std::string_view rest = name;
    for (size_t age = 0;;) {
        const size_t comma = rest.find(',');
        QS_TRY(const auto part, partOf(rest.substr(0, comma)));
        if (age == 0)
            s.keys = s.values = part.first;
        else
            s.aging.push_back({age, part.first, part.first});
        if (part.second.has_value() != (comma != std::string_view::npos))
            return Error::invalid(
                fmt::format("'{}' must be formats with the ages at which they end, the last "
                            "without, as in int8@128,int4",
                            name));
        if (comma == std::string_view::npos) break;
        if (*part.second <= age) return Error::invalid(fmt::format("'{}': ages must ascend, from 1", name));
        age = *part.second;
        rest.remove_prefix(comma + 1);
    }
    QS_CHECK(requireAges(s.aging));
    return s;
}

std::string KvScheme::label() const {
    std::string out = keys ? "keys " + nameOf(*keys) : "keys kept";
    if (keyCodebook) out = fmt::format("keys vq{} v{}", keyCodebook->bits, keyCodebook->length);
    if (keys && keysPerChannel) out += " per channel";
    if (keys && keysStatic) out += " per channel, static";
    if (keysKept > 0) out += fmt::format(", {:g} % kept", 100 * keysKept);
    if ((keys || keyCodebook) && keysBeforeRope) out += " before rotation";
    out += values ? ", values " + nameOf(*values) : ", values kept";
    for (const Aging& a : aging) {
        const bool same = a.keys == a.values;
        out += fmt::format("; from age {}: ", a.age);
        if (a.keys) out += (same ? "" : "keys ") + nameOf(*a.keys);
        if (a.values && !same) out += (a.keys ? ", values " : "values ") + nameOf(*a.values);
    }
    if (smoothChannels) out += ", channels shifted and scaled";
    if (pastOnly) out += ", past only";
    if (windowedRope)
        out += fmt::format(", from age {} as {} tokens back", windowedRope->window, windowedRope->position);
    if (bestTokens > 0) out += fmt::format(", the best {} tokens alone", bestTokens);
    if (exactTokens > 0) out += fmt::format(", first {} tokens kept", exactTokens);
    return out;
}

Result<KvScheme> KvScheme::fromJson(const json& object, const std::string& where) {
    if (!object.is_object()) return Error::invalid("must be an object, got " + object.dump(), where);
    const Reader r(object, where);
    std::vector<const char*> known = {"keys", "values"};
    for (const KvOption& o : kOptions)
        known.push_back(o.id);
    QS_CHECK(r.requireKnown(known));
    KvScheme s;
    QS_CHECK(r.format("keys", s.keys));
    QS_CHECK(r.format("values", s.values));
    QS_CHECK(r.flag("keys_per_channel", s.keysPerChannel));
    QS_CHECK(r.flag("keys_before_rope", s.keysBeforeRope));
    QS_CHECK(r.count("exact_tokens", 0, kMostExactTokens, s.exactTokens));
    QS_CHECK(r.flag("keys_static", s.keysStatic));
    QS_CHECK(r.share("keys_kept", kMostKept, s.keysKept));
    QS_CHECK(r.flag("smooth_channels", s.smoothChannels));
    QS_CHECK(r.flag("past_only", s.pastOnly));
    QS_CHECK(r.count("best_tokens", 0, kMostExactTokens, s.bestTokens));
    QS_TRY(s.aging, agingFromJson(object, where));
    QS_TRY(const auto codebook, r.object("key_codebook"));
    if (codebook) {
        s.keyCodebook = KvScheme::Codebook();
        QS_CHECK(codebook->requireKnown({"bits", "length"}));
        QS_CHECK(codebook->count("bits", 1, kMostIndexBits, s.keyCodebook->bits));
        QS_CHECK(codebook->count("length", 1, kMostIndexBits / s.keyCodebook->bits, s.keyCodebook->length));
    }
    QS_TRY(const auto windowed, r.object("windowed_rope"));
    if (windowed) {
        s.windowedRope.emplace();
        QS_CHECK(windowed->requireKnown({"window", "position"}));
        QS_CHECK(windowed->count("window", 1, kMostExactTokens, s.windowedRope->window));
        QS_CHECK(windowed->count("position", 0, kMostExactTokens, s.windowedRope->position));
    }
    QS_CHECK(requireSense(s, where));
    return s;
}

json KvScheme::toJson() const {
    json out = json::object();
    if (keys) out["keys"] = keys->toJson();
    if (values) out["values"] = values->toJson();
    if (keysPerChannel) out["keys_per_channel"] = true;
    if (keysBeforeRope) out["keys_before_rope"] = true;
    if (exactTokens > 0) out["exact_tokens"] = exactTokens;
    if (keysStatic) out["keys_static"] = true;
    if (keysKept > 0) out["keys_kept"] = keysKept;
    if (smoothChannels) out["smooth_channels"] = true;
    if (keyCodebook) out["key_codebook"] = {{"bits", keyCodebook->bits}, {"length", keyCodebook->length}};
    if (pastOnly) out["past_only"] = true;
    for (const Aging& a : aging) {
        json step = {{"age", a.age}};
        if (a.keys) step["keys"] = a.keys->toJson();
        if (a.values) step["values"] = a.values->toJson();
        out["aging"].push_back(std::move(step));
    }
    if (windowedRope)
        out["windowed_rope"] = {{"window", windowedRope->window}, {"position", windowedRope->position}};
    if (bestTokens > 0) out["best_tokens"] = bestTokens;
    return out;
}

} // namespace qs
