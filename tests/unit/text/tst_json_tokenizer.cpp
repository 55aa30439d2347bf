// SPDX-License-Identifier: Apache-2.0
// Whole tokenizer.json files of the common kinds, small enough to follow by hand.
#include "core/base/file.h"
#include "core/text/byte_alphabet.h"
#include "core/text/tokenizer.h"
#include "core/text/unicode.h"
#include "tests/unit/text/text_fixtures.h"

using namespace qs;
using namespace qs::test;

namespace {

Strings byteLevelPieces(const Strings& more) {
    Strings v;
    for (int b = 0; b < 256; ++b) {
        v.emplace_back();
        text::appendByteLevel(v.back(), std::string(1, char(b)));
    }
    v.insert(v.end(), more.begin(), more.end());
    return v;
}

const Strings kGpt2Pieces = byteLevelPieces({"he", "ll", "hell", "hello", "Ġw", "Ġwo", "or"});

json addedToken(int id, const char* content) {
    return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
            {"rstrip", false}, {"normalized", false}, {"special", true}};
}

json gpt2() {
    json j = bare({{"type", "BPE"},
                   {"vocab", vocabOf(kGpt2Pieces)},
                   {"merges", {"h e", "l l", "he ll", "hell o", "Ġ w", "Ġw o", "o r"}}});
    j["added_tokens"] = json::array({addedToken(int(kGpt2Pieces.size()), "<|endoftext|>")});
    const json level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
    j["normalizer"] = nullptr;
    j["pre_tokenizer"] = j["post_processor"] = j["decoder"] = level;
    return j;
}

const Strings kLlamaHead = {"<unk>", "<s>", "</s>"};

Strings llamaPieces() {
    Strings v = kLlamaHead;
    for (int b = 0; b < 256; ++b)
        v.push_back(fmt::format("<0x{:02X}>", b));
    for (const char* p : {"▁", "h", "e", "y", "▁h", "▁he", "▁hey"})
        v.emplace_back(p);
    return v;
}

json llama() {
    json j = bare({{"type", "BPE"},
                   {"unk_token", "<unk>"},
                   {"fuse_unk", true},
                   {"byte_fallback", true},
                   {"vocab", vocabOf(llamaPieces())},
                   {"merges", {"▁ h", "▁h e", "▁he y"}}});
    for (int i = 0; i < 3; ++i)
        j["added_tokens"].push_back(addedToken(i, kLlamaHead[size_t(i)].c_str()));
    const json space = {{"String", " "}}, mark = {{"String", "▁"}};
    j["normalizer"] = {{"type", "Sequence"},
                       {"normalizers",
                        {{{"type", "Prepend"}, {"prepend", "▁"}},
                         {{"type", "Replace"}, {"pattern", space}, {"content", "▁"}}}}};
    j["pre_tokenizer"] = nullptr;
    j["post_processor"] = {{"type", "TemplateProcessing"},
                           {"single",
                            {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
                             {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
                           {"pair", json::array()},
                           {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {1}}, {"tokens", {"<s>"}}}}}}};
    j["decoder"] = {{"type", "Sequence"},
                    {"decoders",
                     {{{"type", "Replace"}, {"pattern", mark}, {"content", " "}},
                      {{"type", "ByteFallback"}},
                      {{"type", "Fuse"}},
                      {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
    return j;
}

int byteId(int b) {
    return 3 + b;
}

} // namespace

class JsonTokenizerTest : public QObject {
    Q_OBJECT
private slots:
    void byteLevel() {
        const auto loaded = fromJson(gpt2());
        QS_VERIFY_OK(loaded);
        const Tokenizer& t = **loaded;
        const int end = int(kGpt2Pieces.size());
        // "hello" and " world" by the merges; the special token is found inside a word; é is two bytes.
        Ids expected = idsOf(kGpt2Pieces, {"hello", "Ġwo", "r", "l", "d"});
        expected.push_back(end);
        for (const int id : idsOf(kGpt2Pieces, {"Ã", "©"}))
            expected.push_back(id);
        QS_COMPARE_LISTS(*t.encode("hello world<|endoftext|>é"), expected);
        QCOMPARE(t.vocabularySize(), end + 1);
        QCOMPARE(t.eosId(), end);
        QCOMPARE(t.bosId(), -1);
        QCOMPARE(t.description(), std::string("tokenizer.json (BPE, byte-level)"));
        QCOMPARE(*t.decode(expected, true), std::string("hello worldé"));
        QCOMPARE(*t.decode(expected, false), std::string("hello world<|endoftext|>é"));
        QCOMPARE(t.piece(end), std::string("<|endoftext|>"));
        QCOMPARE(t.piece(end + 1), std::string());
        QCOMPARE(t.piece(-1), std::string());
        QCOMPARE(t.display(idsOf(kGpt2Pieces, {"Ġwo"})[0]), std::string("␣wo"));
        QCOMPARE(t.display(idsOf(kGpt2Pieces, {"Ċ"})[0]), std::string("\\n"));
        QCOMPARE(t.display(idsOf(kGpt2Pieces, {"Ã"})[0]), std::string("<0xC3>"));
        QS_VERIFY_ERROR(t.decode({0, end + 1}), ErrorCode::InvalidArgument, std::to_string(end + 1));
        QS_VERIFY_ERROR(t.decode({-1}), ErrorCode::InvalidArgument, "-1");
    }
    void byteLevelRoundTrip() {
        const auto t = fromJson(gpt2());
        QS_VERIFY_OK(t);
        std::string all;
        for (char32_t c = 1; c < 0x3000; ++c)
            text::appendUtf8(all, c);
        for (const std::string& s : {std::string(), std::string("  a\r\n\tb  "),
                                     std::string("日本🙂e\u0301"), std::string("\0x", 2), all}) {
            const auto ids = (*t)->encode(s);
            QS_VERIFY_OK(ids);
            QVERIFY(*(*t)->decode(*ids) == s);
        }
        // Malformed bytes become U+FFFD, one for a maximal subpart.
        QVERIFY(*(*t)->encode("a\xE2\x82z") == *(*t)->encode("a\uFFFDz"));
    }
    void sentencePieceLike() {
        const auto loaded = fromJson(llama());
        QS_VERIFY_OK(loaded);
        const Tokenizer& t = **loaded;
        const auto id = [](const char* p) { return idsOf(llamaPieces(), {p})[0]; };
        QS_COMPARE_LISTS(*t.encode("hey hey"), (Ids{1, id("▁hey"), id("▁hey")}));
        QS_COMPARE_LISTS(*t.encode("hey", false), (Ids{id("▁hey")}));
        QS_COMPARE_LISTS(*t.encode("", true), (Ids{1}));
        QS_COMPARE_LISTS(*t.encode("é\n"), (Ids{1, id("▁"), byteId(0xC3), byteId(0xA9), byteId(0x0A)}));
        // Each stretch between special tokens is normalized on its own, so each gets its mark.
        QS_COMPARE_LISTS(*t.encode("hey</s>hey"), (Ids{1, id("▁hey"), 2, id("▁hey")}));
        QCOMPARE(*t.decode({1, id("▁hey"), id("▁hey"), 2}), std::string("hey hey"));
        QCOMPARE(*t.decode({1, id("▁hey")}, false), std::string("<s> hey"));
        QCOMPARE(*t.decode({id("▁"), byteId(0xF0), byteId(0x9F), byteId(0x99), byteId(0x82)}),
                 std::string("🙂"));
        QCOMPARE(t.bosId(), 1);
        QCOMPARE(t.eosId(), 2);
        QCOMPARE(t.description(), std::string("tokenizer.json (BPE, byte fallback)"));
        QCOMPARE(t.display(id("▁he")), std::string("␣he"));
        QCOMPARE(t.display(byteId(0x0A)), std::string("\\n"));
        QCOMPARE(t.display(byteId(0xC3)), std::string("<0xC3>"));
    }
    void withoutDecoder() {
        // The reference joins pieces with spaces then.
        json j = gpt2();
        j["decoder"] = nullptr;
        const auto t = fromJson(j);
        QS_VERIFY_OK(t);
        QCOMPARE(*(*t)->decode(idsOf(kGpt2Pieces, {"he", "Ġw"})), std::string("he Ġw"));
    }
    void config() {
        const auto ids = [](const json& j, const std::string& config) {
            return *(*fromJson(j, config))->encode("hey");
        };
        const int hey = idsOf(llamaPieces(), {"▁hey"})[0];
        QS_COMPARE_LISTS(
            ids(llama(),
                R"({"add_bos_token": true, "add_eos_token": false, "bos_token": "<s>", "eos_token": "</s>"})"),
            (Ids{1, hey}));
        QS_COMPARE_LISTS(ids(llama(), R"({"add_bos_token": false, "bos_token": "<s>"})"), (Ids{hey}));
        QS_COMPARE_LISTS(
            ids(llama(), R"({"add_eos_token": true, "eos_token": {"content": "</s>", "lstrip": false}})"),
            (Ids{1, hey, 2}));
        QS_COMPARE_LISTS(ids(llama(), R"({"add_bos_token": null, "bos_token": null})"), (Ids{1, hey}));
        json plain = llama();
        plain["post_processor"] = nullptr;
        QS_COMPARE_LISTS(ids(plain, R"({"add_bos_token": true, "bos_token": "<s>"})"), (Ids{1, hey}));
        QS_COMPARE_LISTS(ids(plain, ""), (Ids{hey}));
        QS_VERIFY_ERROR(fromJson(llama(), R"({"add_eos_token": true, "eos_token": "<end>"})"),
                        ErrorCode::Corrupt, "'<end>'");
        QS_VERIFY_ERROR(fromJson(llama(), R"({"add_bos_token": "yes"})"), ErrorCode::Corrupt,
                        "add_bos_token");
        QS_VERIFY_ERROR(fromJson(llama(), "[1"), ErrorCode::Corrupt, "tokenizer_config.json");
    }
    void truncationIsNotApplied() {
        json j = gpt2();
        j["truncation"] = {
            {"max_length", 2}, {"strategy", "LongestFirst"}, {"stride", 0}, {"direction", "Right"}};
        QCOMPARE((*fromJson(j))->encode("a b c d")->size(), size_t(7));
    }
    void damagedFiles() {
        QS_VERIFY_ERROR(text::tokenizerFromJson("", "", "tokenizer.json", ""), ErrorCode::Corrupt, "JSON");
        QS_VERIFY_ERROR(text::tokenizerFromJson("{\"model\": {\"vo", "", "tokenizer.json", ""),
                        ErrorCode::Corrupt, "JSON");
        QS_VERIFY_ERROR(text::tokenizerFromJson("[]", "", "tokenizer.json", ""), ErrorCode::Corrupt,
                        "object");
        QS_VERIFY_ERROR(fromJson(json::object()), ErrorCode::Corrupt, "'model' is missing");
        QS_VERIFY_ERROR(text::tokenizerFromJson(std::string(200000, '['), "", "tokenizer.json", ""),
                        ErrorCode::Corrupt, "JSON");
        // Every field replaced by something else is an error or a tokenizer, never a crash.
        const json flat = llama().flatten();
        int kept = 0;
        for (const auto& [path, value] : flat.items()) {
            if (path.starts_with("/model/vocab/<0x")) continue;
            for (const json& other :
                 {json(nullptr), json(-1), json("\u0000x"), json::array({1}), json(1e300), json(true)}) {
                json damaged = llama();
                damaged[json::json_pointer(path)] = other;
                const auto t = fromJson(damaged);
                if (!t) continue;
                ++kept;
                (void)(*t)->encode("hey <s> \n é");
                (void)(*t)->decode({0, 1, 2, 259, 260});
            }
        }
        QVERIFY(kept > 0);
        // Cut anywhere, a file is not JSON.
        const std::string whole = llama().dump();
        for (size_t n = 0; n < whole.size(); n += 97)
            QVERIFY(!text::tokenizerFromJson(whole.substr(0, n), "", "tokenizer.json", "").has_value());
        json affix = llama();
        affix["post_processor"]["special_tokens"]["<s>"]["ids"] = {4000};
        QS_VERIFY_ERROR(fromJson(affix), ErrorCode::Corrupt, "4000");
    }
    void folders() {
        const auto dir = scratchDir("tokenizers");
        QS_VERIFY_ERROR(loadTokenizer(dir), ErrorCode::NotFound, "tokenizer.model");
        const std::string text = llama().dump(), config = R"({"add_bos_token": false})";
        QS_VERIFY_OK(writeFileAtomically(dir / "tokenizer.json", text));
        QCOMPARE((*loadTokenizer(dir))->fingerprint(), sha256Hex(text));
        QS_VERIFY_OK(writeFileAtomically(dir / "tokenizer_config.json", config));
        const auto t = loadTokenizer(dir);
        QS_VERIFY_OK(t);
        QCOMPARE((*t)->fingerprint(), sha256Hex(text + config));
        QCOMPARE((*t)->encode("hey")->size(), size_t(1));
        QVERIFY((*loadTokenizerJson(dir / "tokenizer.json"))->encode("hey")->size() == 2);
        QS_VERIFY_OK(writeFileAtomically(dir / "tokenizer.json", std::string("{")));
        QS_VERIFY_ERROR(loadTokenizer(dir), ErrorCode::Corrupt, "tokenizer.json");
    }
};

QS_TEST(JsonTokenizerTest)
#include "tst_json_tokenizer.moc"
