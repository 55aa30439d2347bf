// SPDX-License-Identifier: Apache-2.0
#include "app/cli/kv_flags.h"

#include "app/cli/command.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

void KvFlags::declare(CLI::App& app, const std::string& group) {
    const auto isFormat = [](const std::string& text) {
        const auto scheme = KvScheme::preset(text);
        return scheme ? std::string() : scheme.error().message;
    };
    kv_ = app.add_option("--kv", format_,
                         fmt::format("Round the KV cache too, keys and values: {}; or by age, as in "
                                     "int8@128,int4@512,int2: 8 bits up to an age of 128 tokens (SAQ)",
                                     fmt::join(KvScheme::presets(), ", ")))
              ->type_name("ID")
              ->check(CLI::Validator(isFormat, ""))
              ->group(group);
    const auto flag = [&](const char* name, bool& value, const char* help) {
        app.add_flag(name, value, help)->needs(kv_)->group(group);
    };
    flag("--kv-per-channel", flags_.keysPerChannel,
         "Keys channel by channel over runs of 32 tokens (KIVI), not token by token");
    flag("--kv-before-rope", flags_.keysBeforeRope, "Keys before the rotary embedding (KVQuant)");
    app.add_option("--kv-exact", flags_.exactTokens,
                   "Tokens at the start of a context whose keys and values are kept")
        ->type_name("N")
        ->check(CLI::Range(size_t(0), KvScheme::kMostExactTokens))
        ->needs(kv_)
        ->group(group);
    flag("--kv-static", flags_.keysStatic,
         "Keys with one scale per channel for all tokens, from calibration (KVQuant)");
    app.add_option("--kv-kept", flags_.keysKept,
                   "With --kv-static: share of the keys outside of the ranges, which are kept; 0.01 is usual")
        ->type_name("SHARE")
        ->check(CLI::Range(0.0, KvScheme::kMostKept))
        ->needs(kv_)
        ->group(group);
    flag("--kv-smooth", flags_.smoothChannels,
         "Shift and scale channels by what calibration shows before tokens are rounded (WKVQuant)");
    flag("--kv-past-only", flags_.pastOnly, "The step that writes a token reads it exactly (WKVQuant)");
    codebook_ = app.add_option("--kv-codebook", codebookBits_,
                               "Keys by codebooks with so many bits per value, from calibration (A2ATS); "
                               "--kv then speaks of values")
                    ->type_name("BITS")
                    ->check(CLI::Range(size_t(1), KvScheme::kMostIndexBits))
                    ->needs(kv_)
                    ->group(group);
    windowed_ =
        app.add_option("--kv-windowed-rope", window_,
                       "Read keys of this age or more as if they had it, with --kv-before-rope (A2ATS)")
            ->type_name("N")
            ->check(CLI::Range(size_t(1), KvScheme::kMostExactTokens))
            ->needs(kv_)
            ->group(group);
    app.add_option(
           "--kv-best", flags_.bestTokens,
           "Rounded keys only find so many tokens that matter most to a query; it attends to those alone, "
           "with exact keys (A2ATS)")
        ->type_name("N")
        ->check(CLI::Range(size_t(1), KvScheme::kMostExactTokens))
        ->needs(kv_)
        ->group(group);
}

std::optional<KvScheme> KvFlags::scheme() const {
    if (kv_->count() == 0) return std::nullopt;
    KvScheme s = flags_;
    const KvScheme formats = *KvScheme::preset(format_); // checked when it was parsed
    s.keys = formats.keys;
    s.values = formats.values;
    s.aging = formats.aging;
    if (codebook_->count() > 0) {
        s.keys.reset();
        for (KvScheme::Aging& a : s.aging)
            a.keys.reset();
        s.keyCodebook = KvScheme::Codebook{codebookBits_, KvScheme::longestVector(codebookBits_)};
    }
    if (windowed_->count() > 0) s.windowedRope = WindowedRope{window_, window_};
    auto checked = KvScheme::fromJson(s.toJson(), "--kv");
    if (!checked) refuseUsage("--kv", checked.error().message);
    return std::move(*checked);
}

} // namespace qs::cli
