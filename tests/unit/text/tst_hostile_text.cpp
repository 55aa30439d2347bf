// SPDX-License-Identifier: Apache-2.0
// Texts that are made to be slow or wrong, on every kind of tokenizer. Times are those of the process, with
// room for slow machines; a quadratic step on a megabyte takes hours.
#include "core/text/byte_alphabet.h"
#include "core/text/unicode.h"
#include "core/text/word_patterns.h"
#include "tests/unit/text/text_fixtures.h"

#include <ctime>

using namespace qs;
using namespace qs::test;
using namespace std::string_literals;
using TokenizerPtr = std::shared_ptr<const Tokenizer>;

namespace {

constexpr double kSeconds = 20;

TokenizerPtr need(Result<TokenizerPtr> loaded) {
    if (loaded) return *loaded;
    qWarning("%s", loaded.error().describe().c_str());
    return nullptr;
}

json split(const char* pattern) {
    json j = json::parse(R"({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {}, "behavior": "Isolated"},
        {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})");
    j["pretokenizers"][0]["pattern"]["Regex"] = pattern;
    return j;
}

// Every byte, pairs of "a", "Ġ" and of their doubles, and two added tokens.
TokenizerPtr byteLevel(const char* pattern) {
    Strings pieces;
    for (const char32_t c : text::byteAlphabet())
        text::appendUtf8(pieces.emplace_back(), c);
    json merges = json::array();
    for (const char* one : {"a", "Ġ", "Ċ"}) {
        std::string piece = one;
        for (int i = 0; i < 6; ++i, piece += piece) {
            merges.push_back({piece, piece});
            pieces.push_back(piece + piece);
        }
    }
    json j = bare({{"type", "BPE"}, {"vocab", vocabOf(pieces)}, {"merges", merges}});
    j["pre_tokenizer"] = split(pattern);
    j["decoder"] = {{"type", "ByteLevel"}};
    j["added_tokens"] = json::parse(R"([
        {"id": 1000, "content": "<|x|>", "special": true, "normalized": false},
        {"id": 1001, "content": "[b]", "special": false, "normalized": true}])");
    return need(fromJson(j));
}

json unigramWithBytes() {
    std::vector<std::pair<std::string, double>> vocab = {{"<unk>", 0.0}, {"▁", -3.0},    {"a", -4.0},
                                                         {"aa", -5.0},   {"aaaa", -6.0}, {"▁a", -3.5}};
    for (int b = 0; b < 256; ++b)
        vocab.emplace_back(fmt::format("<0x{:02X}>", b), -20.0);
    json j = bare({{"type", "Unigram"}, {"vocab", vocab}, {"unk_id", 0}, {"byte_fallback", true}});
    j["pre_tokenizer"] = {
        {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "always"}, {"split", false}};
    j["decoder"] = json::parse(R"({"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})");
    return j;
}

TokenizerPtr bert() {
    json j = bare({{"type", "WordPiece"}, {"vocab", vocabOf({"[UNK]", "a", "##a", "b"})}});
    j["normalizer"] = {{"type", "BertNormalizer"}};
    j["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
    return need(fromJson(j));
}

std::vector<std::pair<std::string, TokenizerPtr>> all() {
    const auto golden = sourceDir() / "tests/golden/text";
    return {{"gpt-2", byteLevel(text::kGpt2Pattern)},
            {"llama-3", byteLevel(text::kLlama3Pattern)},
            {"other regex", byteLevel(R"((?:\s+(?!\S)|\s+|\p{L}+|\p{N}{1,3}|[^\s\p{L}\p{N}]+))")},
            {"unigram", need(fromJson(unigramWithBytes()))},
            {"wordpiece", bert()},
            {"spm unigram", need(loadSentencePiece(golden / "unigram_bytes.model"))},
            {"spm bpe", need(loadSentencePiece(golden / "bpe_bytes.model"))},
            {"spm word", need(loadSentencePiece(golden / "word.model"))},
            {"spm char", need(loadSentencePiece(golden / "char.model"))}};
}

std::string repeated(const std::string& part, size_t bytes) {
    std::string out;
    while (out.size() < bytes)
        out += part;
    return out;
}

const Strings kTexts = {"",
                        "🙂👩‍👩‍👧 🇳🇴",
                        "e\u0301a\u0316\u0301 z\u0301\u0301\u0301",
                        "line\r\nline\r\n\r\n end \t",
                        "nul\0in\0"s,
                        "x<|x|>y[b]<|x|><|x|> [b] a[b",
                        "日本語 \u00a0 \u2003\ufeff",
                        "don't DON'T 12345!!",
                        "\u2581mark\u2581"};
// A lone surrogate, halves of characters, overlong forms, bytes that never occur.
const Strings kBroken = {"a\xed\xa0\x80z", "half \xf0\x9f\x98", "\xe2\x82", "\xc0\xaf", "\xff\xfe", "a\x80z"};

} // namespace

class HostileTextTest : public QObject {
    Q_OBJECT
private slots:
    void oneCharacterManyTimes() {
        for (const auto& [name, t] : all()) {
            QVERIFY2(t, name.c_str());
            for (const char* part : {"a", " ", "\n", "z", "7", "'", "\u0301", "日", "<|x|>", " a", "\xff"}) {
                const bool whole = *part == 'a' || *part == ' ';
                const std::string text = repeated(part, size_t(1) << (whole ? 20 : 17)); // a megabyte of two
                const clock_t start = clock();
                const auto ids = t->encode(text);
                QVERIFY2(ids.has_value(), (name + ": " + (ids ? "" : ids.error().describe())).c_str());
                QVERIFY2(t->decode(*ids).has_value(), name.c_str());
                const double seconds = double(clock() - start) / CLOCKS_PER_SEC;
                QVERIFY2(seconds < kSeconds, fmt::format("{}: '{}' took {} s", name, part, seconds).c_str());
            }
        }
    }
    void byteLevelRoundTrips() {
        for (const char* pattern : {text::kGpt2Pattern, text::kLlama3Pattern, text::kQwen2Pattern}) {
            const auto t = byteLevel(pattern);
            QVERIFY(t);
            for (const auto& text : kTexts)
                QCOMPARE(*t->decode(*t->encode(text), false), text);
            for (const auto& text : kBroken)
                QCOMPARE(*t->decode(*t->encode(text)), text::replaceBadUtf8(text, text::BadUtf8::PerSubpart));
        }
    }
    void bytePiecesRoundTrip() {
        const auto t = need(fromJson(unigramWithBytes()));
        QVERIFY(t);
        for (const auto& text : kTexts)
            if (text.find("\u2581") == std::string::npos) QCOMPARE(*t->decode(*t->encode(text)), text);
    }
    void nothingCrashes() {
        for (const auto& [name, t] : all()) {
            QVERIFY2(t, name.c_str());
            for (const auto* list : {&kTexts, &kBroken})
                for (const auto& text : *list) {
                    const auto ids = t->encode(text);
                    QVERIFY2(ids.has_value(), name.c_str());
                    for (const int id : *ids)
                        QVERIFY(id >= 0 && id < t->vocabularySize() && !t->piece(id).empty());
                    const auto back = t->decode(*ids);
                    QVERIFY(back.has_value() && text::isValidUtf8(*back));
                }
        }
    }
    void addedTokensInWords() {
        const auto t = byteLevel(text::kGpt2Pattern);
        const Ids ids = *t->encode("aa<|x|>aa[b]a");
        QCOMPARE(ids.size(), size_t(5));
        QCOMPARE(ids[1], 1000);
        QCOMPARE(ids[3], 1001);
        QCOMPARE(ids[0], ids[2]);
    }
    // Tokens that swallow whitespace and are whitespace: each would read the whole run again.
    void whitespaceTokens() {
        for (const char* side : {"lstrip", "rstrip"}) {
            json j = bare({{"type", "WordLevel"}, {"vocab", vocabOf({"<unk>"})}, {"unk_token", "<unk>"}});
            j["added_tokens"] = json::parse(R"([{"id": 1, "content": " ", "normalized": false}])");
            j["added_tokens"][0][side] = true;
            const auto t = need(fromJson(j));
            QVERIFY(t);
            const clock_t start = clock();
            const auto ids = t->encode(std::string(size_t(1) << 20, ' '));
            QVERIFY(ids.has_value() || ids.error().code == ErrorCode::Unsupported); // it grows too much
            QVERIFY(double(clock() - start) / CLOCKS_PER_SEC < kSeconds);
        }
    }
    // (a*)*b on "aaaa...": exponential without limits.
    void hostileExpression() {
        json j = bare({{"type", "WordLevel"}, {"vocab", vocabOf({"<unk>"})}, {"unk_token", "<unk>"}});
        j["pre_tokenizer"] = {
            {"type", "Split"}, {"pattern", {{"Regex", "^(a|a)+(a|a)+$"}}}, {"behavior", "Isolated"}};
        const auto t = need(fromJson(j));
        QVERIFY(t);
        const clock_t start = clock();
        QS_VERIFY_ERROR(t->encode(std::string(60, 'a') + "b"), ErrorCode::Unsupported, "gave up");
        QVERIFY(double(clock() - start) / CLOCKS_PER_SEC < 60);
    }
};

QS_TEST(HostileTextTest)
#include "tst_hostile_text.moc"
