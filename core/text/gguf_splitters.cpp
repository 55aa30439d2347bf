// SPDX-License-Identifier: Apache-2.0
#include "core/text/gguf_splitters.h"

#include "core/text/word_patterns.h"

#include <fmt/format.h>

#include <algorithm>

namespace qs::text {

const char* const kPunctuationRuns = R"([\p{P}\$\+<=>\^~\|`]+)";
const char* const kDigitRuns = R"(\p{N}+)";
const char* const kSingleDigits = R"(\p{N})";

namespace {

constexpr const char* kThreeDigits = "[0-9][0-9][0-9]";
constexpr const char* kUpToThreeDigits = R"(\p{N}{1,3})";
constexpr const char* kLineBreak = R"([\r\n])";
constexpr const char* kKana = R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)";
constexpr const char* kCjk = R"([\x{4E00}-\x{9FA5}\x{0800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";
// BLOOM: words are what stands between spaces and common punctuation.
constexpr const char* kBloom = R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{0964}\x{06D4}\x{060C})]+)";
constexpr const char* kBloomPublished = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+";
constexpr const char* kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kDeepseek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
    R"(| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kBailing =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr const char* kSeedCoder =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)";

const std::vector<GgufSplitter>& splitters() {
    static const std::vector<GgufSplitter> all = {
        {{"default"}, {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, kDigitRuns, kThreeDigits}},
        {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"},
         {kLlama3Pattern},
         false,
         true,
         true},
        {{"dbrx", "smaug-bpe", "chatglm-bpe", "glm4"}, {kLlama3Pattern}},
        {{"qwen2", "deepseek-r1-qwen", "megrez", "kormo"}, {kQwen2Pattern}, true},
        {{"stablelm2", "hunyuan", "solar-open", "grok-2"}, {kQwen2Pattern}},
        {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "exaone4", "gigachat", "a.x-4.0", "mellum"},
         {kGpt2Pattern}},
        {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"},
         {kSingleDigits, kGpt2Pattern}},
        {{"falcon"},
         {kPunctuationRuns, kGpt2Pattern, kThreeDigits},
         false,
         false,
         false,
         {kPunctuationRuns, kGpt2Pattern, kDigitRuns, kThreeDigits}},
        {{"bloom", "poro-chat", "gpt3-finnish"}, {kBloom}, false, false, false, {kBloomPublished}},
        {{"viking"}, {kBloom, kSingleDigits}},
        {{"tekken"}, {kTekken}, false, true, true},
        {{"gpt-4o", "llama4", "kanana2", "minimax-m2"}, {kGpt4o}},
        {{"deepseek-coder"}, {kLineBreak, R"(\s?\p{L}+)", R"(\s?\p{P}+)", kCjk, kSingleDigits}},
        {{"deepseek-v3", "hunyuan-dense"}, {kUpToThreeDigits, kKana, kDeepseek3}},
        {{"bailingmoe", "bailingmoe2", "llada-moe"}, {kBailing}},
        {{"seed-coder"}, {kSeedCoder}},
    };
    return all;
}

} // namespace

Result<const GgufSplitter*> findGgufSplitter(std::string_view name) {
    if (name.empty()) name = "default";
    std::string known;
    for (const GgufSplitter& s : splitters()) {
        if (std::find(s.names.begin(), s.names.end(), name) != s.names.end()) return &s;
        for (const char* n : s.names)
            known += (known.empty() ? "" : ", ") + std::string(n);
    }
    return Error::unsupported(
        fmt::format("'{}' is not a word splitter that is known; known: {}", name, known),
        "tokenizer.ggml.pre");
}

const GgufSplitter* matchGgufSplitter(const std::vector<std::string>& patterns, bool nfc, bool ignoreMerges) {
    const auto same = [&](const std::vector<const char*>& list) {
        return !list.empty() && std::equal(list.begin(), list.end(), patterns.begin(), patterns.end());
    };
    for (const GgufSplitter& s : splitters())
        if (s.nfc == nfc && s.ignoreMerges == ignoreMerges && (same(s.patterns) || same(s.published)))
            return &s;
    return nullptr;
}

} // namespace qs::text
