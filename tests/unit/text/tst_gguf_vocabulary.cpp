// SPDX-License-Identifier: Apache-2.0
// GGUF vocabularies: ids by hand from the rules, and equality with the same vocabulary in its original files.
#include "core/base/file.h"
#include "core/text/gguf_splitters.h"
#include "core/text/gguf_vocabulary.h"
#include "core/text/pre_tokenizer.h"
#include "core/text/sentencepiece_proto.h"
#include "tests/unit/text/text_fixtures.h"

using namespace qs;
using namespace qs::test;
using text::GgufVocabulary;
using text::tokenizerFromGguf;
namespace fs = std::filesystem;

namespace {

constexpr int kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5;

// Byte-level pieces of a few letters; "Ġ" is the space, "Ċ" the line feed.
GgufVocabulary gpt2() {
    GgufVocabulary v;
    v.model = "gpt2";
    v.pre = "gpt-2";
    v.tokens = {"a", "b", "1", "2", "Ġ", "ab", "Ġa", "12", "<|end|>", "[tool]", "[PAD10]", "Ã", "©", "Ċ"};
    v.types = {1, 1, 1, 1, 1, 1, 1, 1, kControl, kUserDefined, kUnused, 1, 1, 1};
    v.merges = {"a b", "Ġ a", "1 2"};
    v.bos = v.eos = 8;
    return v;
}

GgufVocabulary bert() {
    GgufVocabulary v;
    v.model = "bert";
    v.tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁want", "want", "ed", "▁un", "▁!", "▁runn", "ing"};
    v.types = {kControl, kUnknown, kControl, kControl, 1, 1, 1, 1, 1, 1, 1};
    v.unk = 1;
    v.sep = 3;
    v.bos = 2;
    return v;
}

GgufVocabulary fromModelFile(const fs::path& file) {
    const auto bytes = readTextFile(file);
    const auto proto = text::SentencePieceProto::parse(*bytes, "model");
    GgufVocabulary v;
    v.model = proto->kind == text::SentencePieceKind::Unigram ? "t5" : "llama";
    for (const auto& p : proto->pieces) {
        v.tokens.push_back(p.text);
        v.scores.push_back(p.score);
        v.types.push_back(int(p.type));
    }
    v.addSpacePrefix = proto->addDummyPrefix;
    v.removeExtraWhitespaces = proto->removeExtraWhitespaces;
    const auto* map = reinterpret_cast<const std::byte*>(proto->charsmap.data());
    v.precompiledCharsmap.assign(map, map + proto->charsmap.size());
    v.bos = 1;
    v.eos = 2;
    return v;
}

Ids encode(const GgufVocabulary& v, const std::string& text, bool special = false) {
    const auto t = tokenizerFromGguf(v);
    if (!t) {
        qWarning("%s", t.error().describe().c_str());
        return {-1};
    }
    const auto ids = (*t)->encode(text, special);
    return ids ? *ids : Ids{-2};
}

} // namespace

class GgufVocabularyTest : public QObject {
    Q_OBJECT
private slots:
    void byteLevel() {
        QS_COMPARE_LISTS(encode(gpt2(), "ab a12"), (Ids{5, 6, 7}));
        QS_COMPARE_LISTS(encode(gpt2(), "é\n"), (Ids{11, 12, 13}));
        const auto t = *tokenizerFromGguf(gpt2());
        QCOMPARE(t->description(), std::string("GGUF (BPE, byte-level)"));
        QCOMPARE(t->vocabularySize(), 14);
        QCOMPARE(t->bosId(), 8);
        QCOMPARE(*t->decode({5, 6, 7, 11, 12}), std::string("ab a12é"));
        QCOMPARE(t->fingerprint().size(), size_t(64));
        GgufVocabulary other = gpt2();
        std::swap(other.merges[0], other.merges[1]);
        QVERIFY((*tokenizerFromGguf(other))->fingerprint() != t->fingerprint());
        other.fingerprint = "given";
        QCOMPARE((*tokenizerFromGguf(other))->fingerprint(), std::string("given"));
    }
    void tokenTypes() {
        // Control and user-defined tokens are found where they are written, also inside words; unused never.
        QS_COMPARE_LISTS(encode(gpt2(), "ab<|end|>a[tool]b"), (Ids{5, 8, 0, 9, 1}));
        const auto t = *tokenizerFromGguf(gpt2());
        QCOMPARE(*t->decode({5, 8, 9}), std::string("ab[tool]"));
        QCOMPARE(*t->decode({5, 8, 9}, false), std::string("ab<|end|>[tool]"));
        QCOMPARE(t->piece(10), std::string("[PAD10]"));
        const Ids padded =
            encode(gpt2(), "[PAD10]"); // its characters, of which none is in this vocabulary but 1
        QVERIFY(std::find(padded.begin(), padded.end(), 10) == padded.end());
    }
    void beginAndEnd() {
        GgufVocabulary v = gpt2();
        QS_COMPARE_LISTS(encode(v, "a", true), (Ids{0})); // the splitter "gpt-2" adds none
        v.addBos = v.addEos = true;
        QS_COMPARE_LISTS(encode(v, "a", true), (Ids{8, 0, 8}));
        v.addBos = v.addEos = std::nullopt;
        v.pre = "llama-bpe";
        QS_COMPARE_LISTS(encode(v, "a", true), (Ids{8, 0}));
        v.bos = -1;
        QS_COMPARE_LISTS(encode(v, "a", true), (Ids{0}));
        v.addBos = true;
        QS_VERIFY_ERROR(tokenizerFromGguf(v), ErrorCode::Corrupt, "bos_token_id is not set");
    }
    void prefixSpace() {
        GgufVocabulary v = gpt2();
        v.addSpacePrefix = true;
        QS_COMPARE_LISTS(encode(v, "a a"), (Ids{6, 6}));
    }
    void splitters_data() {
        QTest::addColumn<QString>("pre");
        QTest::addColumn<QString>("text");
        QTest::addColumn<QStringList>("words");
        const auto row = [](const char* pre, const char* text, QStringList words) {
            QTest::addRow("%s", pre) << QString(pre) << QString(text) << words;
        };
        row("gpt-2", "x 1234 y", {"x", " 1234", " y"});
        row("llama-bpe", "x 1234 y", {"x", " ", "123", "4", " y"});
        row("qwen2", "x 12 y", {"x", " ", "1", "2", " y"});
        row("stablelm2", "x12", {"x", "1", "2"});
        row("smollm", "x 12", {"x", " ", "1", "2"});
        row("starcoder", "x12", {"x", "1", "2"});
        row("falcon", "a, 12345 b", {"a", ",", " ", "123", "45", " b"});
        row("default", "a.b 12345", {"a", ".", "b", " ", "123", "45"});
        row("", "a.b", {"a", ".", "b"});
        row("bloom", "a b, c12", {"a", " b", ",", " c12"});
        row("viking", "c12", {"c", "1", "2"});
        row("tekken", "HelloWorld A1", {"Hello", "World", " A", "1"});
        row("gpt-4o", "HelloWorld's 1234", {"Hello", "World's", " ", "123", "4"});
        row("deepseek-coder", "a b!\n12", {"a", " b", "!", "\n", "1", "2"});
        row("deepseek-v3", "a .b 1234日本", {"a", " .", "b", " ", "123", "4", "日本"});
        row("bailingmoe", "I'Ll 12", {"I", "'Ll", " ", "1", "2"});
        row("seed-coder", "a!\n b", {"a", "!", "\n", " b"});
    }
    void splitters() {
        QFETCH(QString, pre);
        QFETCH(QString, text);
        QFETCH(QStringList, words);
        const auto splitter = text::findGgufSplitter(pre.toStdString());
        QS_VERIFY_OK(splitter);
        json parts = json::array();
        for (const char* pattern : (*splitter)->patterns)
            parts.push_back({{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}});
        const auto cut = text::parsePreTokenizer({{"type", "Sequence"}, {"pretokenizers", parts}}, "pre");
        QS_VERIFY_OK(cut);
        const std::string bytes = text.toStdString();
        text::PreTokens tokens{bytes, {{0, bytes.size(), -1, true}}, text::growthLimit(bytes.size())};
        QS_VERIFY_OK((*cut)->apply(tokens));
        QStringList got;
        for (const auto& piece : tokens.pieces)
            got << QString::fromStdString(std::string(tokens.view(piece)));
        QCOMPARE(got, words);
    }
    void everySplitterCompiles() {
        // The message for an unknown name lists all names.
        const std::string message = text::findGgufSplitter("?").error().message;
        const QString list = QString::fromStdString(message.substr(message.rfind("known: ") + 7));
        QVERIFY(list.split(", ").size() > 40);
        for (const QString& name : list.split(", ")) {
            GgufVocabulary v = gpt2();
            v.pre = name.toStdString();
            const auto t = tokenizerFromGguf(v);
            QVERIFY2(t.has_value(), qPrintable(name));
            const auto ids = (*t)->encode("ab a12é", false);
            QVERIFY2(ids.has_value() && *(*t)->decode(*ids) == "ab a12é", qPrintable(name));
        }
    }
    void composesForQwen2() {
        GgufVocabulary v = gpt2();
        v.pre = "qwen2";
        QS_COMPARE_LISTS(encode(v, "e\u0301"), (Ids{11, 12})); // as é
    }
    void unknownSplitter() {
        GgufVocabulary v = gpt2();
        v.pre = "esperanto";
        QS_VERIFY_ERROR(tokenizerFromGguf(v), ErrorCode::Unsupported, "'esperanto'");
        QS_VERIFY_ERROR(tokenizerFromGguf(v), ErrorCode::Unsupported, "llama-bpe");
        v.model = "rwkv";
        v.pre = "";
        QS_VERIFY_ERROR(tokenizerFromGguf(v), ErrorCode::Unsupported, "known: llama, gpt2, bert, t5");
    }
    void wordPiece() {
        QS_COMPARE_LISTS(encode(bert(), "Unwanted running!"), (Ids{7, 5, 6, 9, 10, 8}));
        QS_COMPARE_LISTS(encode(bert(), "wanting xyz [SEP]", true), (Ids{2, 4, 10, 1, 3, 3}));
        const auto t = *tokenizerFromGguf(bert());
        QCOMPARE(t->piece(5), std::string("##want"));
        QCOMPARE(*t->decode({2, 7, 5, 6, 9, 10, 8, 3}), std::string("unwanted running!"));
        QCOMPARE(t->bosId(), 2);
        QCOMPARE(t->eosId(), 3);
        // With upper-case pieces the text's case is kept.
        GgufVocabulary cased = bert();
        cased.tokens.push_back("▁Un");
        cased.types.push_back(kNormal);
        QS_COMPARE_LISTS(encode(cased, "Unwanted unwanted Want"), (Ids{11, 5, 6, 7, 5, 6, 1}));
        // Pieces in BERT's own spelling.
        GgufVocabulary plain = bert();
        for (std::string& token : plain.tokens)
            token = token.starts_with("▁") ? token.substr(3) : token[0] == '[' ? token : "##" + token;
        QS_COMPARE_LISTS(encode(plain, "unwanted running!"), (Ids{7, 5, 6, 9, 10, 8}));
    }
    // The same pieces in tokenizer.model, whose ids are the library's (SentencePieceLibraryTest).
    void sentencePiece_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"unigram_bytes", "unigram_plain", "bpe_bytes"})
            QTest::newRow(name) << QString(name);
    }
    void sentencePiece() {
        QFETCH(QString, name);
        const fs::path file = sourceDir() / "tests/golden/text" / (name.toStdString() + ".model");
        const auto model = loadSentencePiece(file);
        const auto gguf = tokenizerFromGguf(fromModelFile(file));
        QS_VERIFY_OK(gguf);
        const std::string text = *readTextFile(sourceDir() / "resources/sample/texts/prompts.txt") +
                                 "  naïve <sep> \xEF\xAC\x81 🙂 th\r\n";
        const auto ids = *(*gguf)->encode(text, false);
        QS_COMPARE_LISTS(ids, *(*model)->encode(text, false));
        QVERIFY(*(*gguf)->decode(ids) == *(*model)->decode(ids));
        const Ids around = *(*gguf)->encode("a");
        const bool unigram = name.startsWith("unigram");
        QCOMPARE(around.front(), unigram ? (*gguf)->encode("a", false)->front() : 1); // T5: </s> behind
        QCOMPARE(around.back(), unigram ? 2 : (*gguf)->encode("a", false)->back());   // Llama: <s> in front
    }
    void llamaWithoutTypes() {
        GgufVocabulary v;
        v.model = "llama";
        v.tokens = {"<unk>", "<s>", "</s>", "▁", "a", "▁a", ""};
        v.scores = {0, 0, 0, -3, -2, -1, 0};
        v.bos = 1;
        QS_COMPARE_LISTS(encode(v, "a ab", true), (Ids{1, 5, 5, 0}));
    }
    void damaged() {
        const auto broken = [](auto change) {
            GgufVocabulary v = gpt2();
            change(v);
            return tokenizerFromGguf(std::move(v));
        };
        QS_VERIFY_ERROR(broken([](auto& v) { v.tokens.clear(); }), ErrorCode::Corrupt,
                        "tokenizer.ggml.tokens");
        QS_VERIFY_ERROR(broken([](auto& v) { v.types.pop_back(); }), ErrorCode::Corrupt, "token_type");
        QS_VERIFY_ERROR(broken([](auto& v) { v.types[0] = 7; }), ErrorCode::Corrupt, "must be 1 to 6, not 7");
        QS_VERIFY_ERROR(broken([](auto& v) { v.scores = {1}; }), ErrorCode::Corrupt, "scores");
        QS_VERIFY_ERROR(broken([](auto& v) { v.scores.assign(14, NAN); }), ErrorCode::Corrupt, "finite");
        QS_VERIFY_ERROR(broken([](auto& v) { v.eos = 14; }), ErrorCode::Corrupt, "eos_token_id");
        QS_VERIFY_ERROR(broken([](auto& v) { v.pad = -2; }), ErrorCode::Corrupt, "padding_token_id");
        QS_VERIFY_ERROR(broken([](auto& v) { v.tokens[1] = "\xFF"; }), ErrorCode::Corrupt, "UTF-8");
        QS_VERIFY_ERROR(broken([](auto& v) { v.tokens[1] = "a"; }), ErrorCode::Corrupt, "two ids");
        QS_VERIFY_ERROR(broken([](auto& v) { v.merges = {"ab"}; }), ErrorCode::Corrupt, "not two parts");
        QS_VERIFY_ERROR(broken([](auto& v) { v.merges = {"a 2"}; }), ErrorCode::Corrupt, "'a2'");
        QS_VERIFY_ERROR(broken([](auto& v) { v.merges.clear(); }), ErrorCode::Corrupt, "merges");
        GgufVocabulary t5 = fromModelFile(sourceDir() / "tests/golden/text/unigram_bytes.model");
        t5.precompiledCharsmap.resize(5);
        QS_VERIFY_ERROR(tokenizerFromGguf(t5), ErrorCode::Corrupt, "precompiled_charsmap");
    }
};

QS_TEST(GgufVocabularyTest)
#include "tst_gguf_vocabulary.moc"
