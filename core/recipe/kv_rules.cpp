// SPDX-License-Identifier: Apache-2.0
// What the scheme of a KV cache makes of a model: its rounders, its bits, and what speaks against it.
#include "core/recipe/plan_rules.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

constexpr double kUnroundedBits = 16, kKeptBits = 32;

using Format = std::shared_ptr<const CacheFormat>;

Result<Format> keyFormat(const KvScheme& s, const std::optional<InputScheme>& format,
                         const CacheFindings* found) {
    QS_TRY(auto rounder, rounderOf(format));
    if (!rounder) return Format();
    if (s.keysPerChannel) return channelRunFormat(std::move(rounder));
    if (s.smoothChannels) return smoothedFormat(std::move(rounder), found->keys);
    if (!s.keysStatic) return tokenFormat(std::move(rounder));
    QS_TRY(auto codec, createCodec(format->codec, format->codecParams));
    QS_CHECK(requireOneScale(*codec));
    return staticFormat(std::move(codec), found->keys, s.keysKept > 0);
}

Result<Format> valueFormat(const KvScheme& s, const std::optional<InputScheme>& format,
                           const CacheFindings* found) {
    QS_TRY(auto rounder, rounderOf(format));
    if (!rounder) return Format();
    return s.smoothChannels ? smoothedFormat(std::move(rounder), found->values)
                            : tokenFormat(std::move(rounder));
}

/// Bits of one value among `count` that are rounded together.
Result<double> bitsOf(const InputScheme& format, size_t count) {
    QS_TRY(const auto codec, createCodec(format.codec, format.codecParams));
    QS_TRY(const StoredBits bits, codec->storedBits(1, count));
    return double(bits.total()) / double(count);
}

/// Bits of a value of a token, as keys and as values, from an age on.
struct AgeBits {
    size_t fromAge = 0;
    double keys = kUnroundedBits, values = kUnroundedBits;
};

Result<double> keyBits(const KvScheme& s, const std::optional<InputScheme>& format, size_t channels) {
    const double exact = s.bestTokens > 0 ? kUnroundedBits : 0; // beside what ranks them
    if (s.keyCodebook) return exact + double(s.keyCodebook->bits);
    if (!format) return kUnroundedBits;
    if (!s.keysStatic) {
        QS_TRY(const double own, bitsOf(*format, s.keysPerChannel ? kCacheRun : channels));
        return exact + own;
    }
    QS_TRY(const auto codec, createCodec(format->codec, format->codecParams));
    return exact + double(codec->bits()) + kKeptBits * s.keysKept;
}

Result<std::vector<AgeBits>> bitsByAge(const KvScheme& s, size_t channels) {
    std::vector<AgeBits> out(1);
    if (s.pastOnly) out.push_back({1, kUnroundedBits, kUnroundedBits});
    QS_TRY(out.back().keys, keyBits(s, s.keys, channels));
    if (s.values) {
        QS_TRY(out.back().values, bitsOf(*s.values, channels));
    }
    for (const KvScheme::Aging& a : s.aging) {
        AgeBits next = out.back();
        next.fromAge = std::max(a.age, next.fromAge);
        if (a.keys) {
            QS_TRY(next.keys, keyBits(s, a.keys, channels));
        }
        if (a.values) {
            QS_TRY(next.values, bitsOf(*a.values, channels));
        }
        out.push_back(next);
    }
    return out;
}

/// Keys and values that nothing rounds yet: the channels that formats are asked about.
std::vector<std::optional<InputScheme>> formatsOf(const KvScheme& s, bool ofKeys) {
    std::vector<std::optional<InputScheme>> out = {ofKeys ? s.keys : s.values};
    for (const KvScheme::Aging& a : s.aging)
        out.push_back(ofKeys ? a.keys : a.values);
    return out;
}

/// Why the formats cannot round caches of `channels` channels in heads of `headDim`.
std::optional<std::string> misfit(const KvScheme& s, size_t channels, size_t headDim) {
    for (const bool ofKeys : {true, false})
        for (const auto& format : formatsOf(s, ofKeys)) {
            const auto rounder = rounderOf(format);
            if (!rounder) return rounder.error().describe();
            if (!*rounder) continue;
            if (format->isSearched())
                return "what is searched is chosen for inputs of linears and for probabilities alone";
            const bool isStatic = ofKeys && s.keysStatic;
            if (isStatic)
                if (const auto one = requireOneScale((*rounder)->codec()); !one) return one.error().message;
            const size_t row = ofKeys && s.keysPerChannel ? kCacheRun : channels;
            if (const auto layout = (*rounder)->codec().layout(1, row); !isStatic && !layout)
                return layout.error().message;
        }
    if (s.keyCodebook && headDim % s.keyCodebook->length != 0)
        return fmt::format("heads of {} channels are no multiple of the codebook's vectors of {}", headDim,
                           s.keyCodebook->length);
    return std::nullopt;
}

} // namespace

Result<double> KvScheme::bitsPerValue(size_t channels, size_t tokens) const {
    if (tokens == 0) return Error::invalid("an empty cache has no bits per value");
    QS_TRY(const std::vector<AgeBits> ages, bitsByAge(*this, channels));
    const size_t kept = std::min(exactTokens, tokens), inRuns = (tokens - kept) / kCacheRun * kCacheRun;
    double sum = 0;
    for (size_t t = 0; t < tokens; ++t) {
        AgeBits bits;
        for (const AgeBits& a : ages)
            if (t >= kept && a.fromAge <= tokens - 1 - t) bits = a;
        if (keysPerChannel && t >= kept + inRuns) bits.keys = kUnroundedBits;
        sum += bits.keys + bits.values;
    }
    return sum / 2 / double(tokens);
}

Result<std::shared_ptr<const KvRounder>> kvRounder(const std::optional<KvScheme>& scheme,
                                                   const CacheFindings* findings) {
    if (!scheme) return std::shared_ptr<const KvRounder>();
    const KvScheme& s = *scheme;
    if (s.needsCalibration() && !findings)
        return Error::invalid("the KV cache of " + s.label() + " needs calibration, and none was made");
    KvRounder r;
    r.beforeRotation = s.keysBeforeRope;
    r.exactTokens = s.exactTokens;
    r.windowed = s.windowedRope;
    r.bestTokens = s.bestTokens;
    KvRounder::Step first{size_t(s.pastOnly), nullptr, nullptr};
    if (s.keyCodebook) {
        if (!findings->codebook) return Error::corrupt("what was found for the KV cache has no codebook");
        first.keys = codebookFormat(findings->codebook);
    } else {
        QS_TRY(first.keys, keyFormat(s, s.keys, findings));
    }
    QS_TRY(first.values, valueFormat(s, s.values, findings));
    r.steps.push_back(std::move(first));
    for (const KvScheme::Aging& a : s.aging) {
        KvRounder::Step step{a.age, nullptr, nullptr};
        QS_TRY(step.keys, keyFormat(s, a.keys, findings));
        QS_TRY(step.values, valueFormat(s, a.values, findings));
        r.steps.push_back(std::move(step));
    }
    return std::make_shared<const KvRounder>(std::move(r));
}

std::optional<LintIssue> ruleOnKvCache(const ModelSettings& settings, const Model& model) {
    const std::optional<KvScheme>& scheme = settings.kvCache;
    if (!scheme) return std::nullopt;
    const auto refuse = [](std::string message) {
        return LintIssue{Severity::Error, "kv-cache", "", std::move(message)};
    };
    if (!model.hasForward())
        return refuse("The KV cache cannot be rounded: " + model.noForwardReason() + ".");
    if (scheme->smoothChannels && !settings.transforms.empty())
        return refuse("smooth_channels has the ranges of the model's own values, and a transform may scale "
                      "them. Leave out one of the two.");
    if (!model.spec().causal && (scheme->pastOnly || !scheme->aging.empty() || scheme->windowedRope))
        return refuse("The tokens of an encoder have no age: all of them are read at once. Leave out "
                      "past_only, aging and windowed_rope.");
    for (const BlockSpec& b : model.spec().blocks) {
        if (scheme->windowedRope && b.attention.rope < 0)
            return refuse("windowed_rope fixes the position of rotated keys, and this model rotates none.");
        if (const auto why = misfit(*scheme, b.attention.k.out, b.attention.headDim))
            return refuse("The format of the KV cache does not fit: " + *why + ".");
    }
    return std::nullopt;
}

std::optional<LintIssue> ruleOnProbabilities(const ModelSettings& settings, const Model& model) {
    const std::optional<InputScheme>& format = settings.probabilities;
    if (!format) return std::nullopt;
    const auto refuse = [](std::string message) {
        return LintIssue{Severity::Error, "probabilities", "", std::move(message)};
    };
    if (!model.hasForward())
        return refuse("The probabilities of attention cannot be rounded: " + model.noForwardReason() + ".");
    if (format->searchRange || format->searchShift || format->reassemble || format->isStatic())
        return refuse(
            "search_range, search_shift, reassemble and static_range are for the inputs of linears: "
            "of attention's probabilities the base of a log grid can be searched (search_base).");
    const auto rounder = rounderOf(format);
    if (!rounder) return refuse("The format of attention's probabilities: " + rounder.error().describe());
    // A row has as many of them as there are tokens, which no group divides for certain.
    if (const auto layout = (*rounder)->codec().layout(1, 7); !layout)
        return refuse("The format of attention's probabilities needs one scale a row (group -1): " +
                      layout.error().message + ".");
    return std::nullopt;
}

std::optional<LintIssue> ruleOnStoredCache(const Model& model) {
    const nlohmann::json& config = model.checkpoint().config();
    for (const char* key : {"quantization_config", "compression_config"}) {
        if (!config.is_object() || !config.contains(key) || !config.at(key).is_object()) continue;
        const nlohmann::json& settings = config.at(key);
        const auto scheme = settings.find("kv_cache_scheme");
        if (scheme == settings.end() || scheme->is_null()) continue;
        return LintIssue{
            Severity::Warning, "stored-kv-cache", "",
            fmt::format("{}.kv_cache_scheme of the checkpoint asks for a rounded KV cache ({}). It "
                        "is kept as computed here: perplexity is that of exact keys and values.",
                        key, scheme->dump())};
    }
    return std::nullopt;
}

} // namespace qs
