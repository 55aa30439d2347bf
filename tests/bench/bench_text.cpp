// SPDX-License-Identifier: Apache-2.0
// Tokenizers on English text, one thread, beside the plain copy of the text: the sample model's byte-level
// BPE with each of the well-known word splitters and with one that only Oniguruma can run, and the
// SentencePiece models of the tests.
#include "core/base/file.h"
#include "core/text/loaders.h"
#include "core/text/word_patterns.h"
#include "tests/bench/bench.h"

#include <cstring>
#include <nlohmann/json.hpp>

using namespace qs;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr double kTarget = 3; // MB/s, byte-level BPE

fs::path source() {
    return QS_SOURCE_DIR;
}

// Wikipedia when it is there: the sample text is short and would mostly be found in the word cache.
std::string english(const qs::bench::Report& report) {
    const fs::path wiki = source().parent_path() / "shared/data/text/wikitext2_raw_test.txt";
    if (auto text = readTextFile(wiki)) {
        report.note("text: wikitext2_raw_test.txt");
        return *text;
    }
    report.note("text: the sample's evaluation.txt");
    return *readTextFile(source() / "resources/sample/texts/evaluation.txt");
}

json withSplitter(json tokenizer, const char* pattern) {
    tokenizer["normalizer"] = nullptr;
    tokenizer["pre_tokenizer"] = {
        {"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}},
          {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
    return tokenizer;
}

double speed(const Tokenizer& tokenizer, const std::string& text) {
    const double seconds = qs::bench::bestSeconds([&] {
        const auto ids = tokenizer.encode(text);
        qs::bench::keep(&ids);
    });
    return double(text.size()) / seconds * 1e-6;
}

void show(const qs::bench::Report& report, const std::string& what,
          const Result<std::shared_ptr<const Tokenizer>>& loaded, const std::string& text, double copy) {
    if (!loaded) return report.note(what + ": " + loaded.error().describe());
    const double mb = speed(**loaded, text);
    report.line(what, mb, "MB/s", "target", kTarget);
    report.line("", mb, "MB/s", "memcpy", copy);
}

} // namespace

QS_BENCH(tokenize) {
    const std::string text = english(report);
    std::string copied(text.size(), '\0');
    const double copySeconds = qs::bench::bestSeconds([&] {
        std::memcpy(copied.data(), text.data(), text.size());
        qs::bench::keep(copied.data());
    });
    const double copy = double(text.size()) / copySeconds * 1e-6;
    const json sample = json::parse(*readTextFile(source() / "resources/sample/model/tokenizer.json"));
    const std::string slow = "(?:" + std::string(text::kLlama3Pattern) + ")";
    const std::pair<const char*, const char*> splitters[] = {
        {"byte-level BPE, GPT-2 words", text::kGpt2Pattern},
        {"byte-level BPE, Llama-3 words", text::kLlama3Pattern},
        {"byte-level BPE, Qwen2 words", text::kQwen2Pattern},
        {"byte-level BPE, by Oniguruma", slow.c_str()}};
    for (const auto& [what, pattern] : splitters)
        show(report, what,
             text::tokenizerFromJson(withSplitter(sample, pattern).dump(), "", "tokenizer.json", ""), text,
             copy);
    for (const char* name : {"bpe_bytes", "unigram_bytes"})
        show(report, std::string("SentencePiece ") + name,
             loadSentencePiece(source() / "tests/golden/text" / (std::string(name) + ".model")), text, copy);
}
