// SPDX-License-Identifier: Apache-2.0
// Tokenizers as GGUF vocabularies and back: the same ids of every text, spellings as llama.cpp's converter
// writes them, and refusals with the reason.
#include "core/text/gguf_export.h"

#include "core/text/loaders.h"
#include "tests/support/qs_test.h"

#include <fstream>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

json special(int id, const char* content, bool isSpecial = true) {
    return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
            {"rstrip", false}, {"normalized", false}, {"special", isSpecial}};
}

json bosTemplate(const char* token, int id) {
    return {{"type", "TemplateProcessing"},
            {"single",
             {{{"SpecialToken", {{"id", token}, {"type_id", 0}}}},
              {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
            {"pair", json::array()},
            {"special_tokens", {{token, {{"id", token}, {"ids", {id}}, {"tokens", {token}}}}}}};
}

json split(const char* regex) {
    return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
}
json byteLevel(bool regex) {
    return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", regex}};
}
json sequence(json parts) {
    return {{"type", "Sequence"}, {"pretokenizers", std::move(parts)}};
}

/// Byte-level BPE with all 256 bytes and a few merges.
json byteBpe(const json& preTokenizer, bool nfc = false, bool ignoreMerges = false) {
    json vocab = json::object();
    int next = 0, other = 0;
    for (int b = 0; b < 256; ++b) {
        const bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        const unsigned code = plain ? unsigned(b) : unsigned(256 + other++);
        std::string piece;
        if (code < 0x80) {
            piece = char(code);
        } else {
            piece += char(0xC0 | code >> 6);
            piece += char(0x80 | (code & 63));
        }
        vocab[piece] = next++;
    }
    for (const char* piece : {"he", "ll", "hell", "\u0120w", "or", "\u0120wor"})
        vocab[piece] = next++;
    return {{"version", "1.0"},
            {"added_tokens", {special(262, "<|start|>"), special(264, "<tool>", false)}},
            {"normalizer", nfc ? json{{"type", "NFC"}} : json()},
            {"pre_tokenizer", preTokenizer},
            {"post_processor", bosTemplate("<|start|>", 262)},
            {"decoder", {{"type", "ByteLevel"}}},
            {"model",
             {{"type", "BPE"},
              {"vocab", vocab},
              {"merges", {"h e", "l l", json::array({"he", "ll"}), "\u0120 w", "o r", "\u0120w or"}},
              {"ignore_merges", ignoreMerges}}}};
}

fs::path folderWith(const json& tokenizer, const json& config = json::object()) {
    const fs::path folder = scratchDir("gguf-export");
    std::ofstream(folder / "tokenizer.json") << tokenizer.dump();
    std::ofstream(folder / "tokenizer_config.json") << config.dump();
    return folder;
}

struct Made {
    std::shared_ptr<const Tokenizer> original;
    Result<text::GgufVocabulary> vocabulary = Error::notFound("");
};

Made make(const fs::path& folder, size_t rows) {
    Made m;
    const auto tokenizer = loadTokenizer(folder);
    if (!tokenizer) qFatal("%s", tokenizer.error().describe().c_str());
    m.original = *tokenizer;
    m.vocabulary = text::ggufVocabularyOf(folder, *m.original, rows);
    return m;
}

/// "" or the first text whose ids differ.
std::string different(const Made& m, const std::string& text) {
    const auto again = text::tokenizerFromGguf(*m.vocabulary);
    if (!again) return again.error().describe();
    for (const bool addSpecial : {true, false}) {
        const auto a = m.original->encode(text, addSpecial), b = (*again)->encode(text, addSpecial);
        if (!a || !b || *a != *b) return "ids differ of " + text.substr(0, 40);
    }
    return text::differentlyTokenized(*m.original, **again);
}

} // namespace

#define QS_SAME(call)                                                                                        \
    do {                                                                                                     \
        const std::string qsFirst = (call);                                                                  \
        QVERIFY2(qsFirst.empty(), qsFirst.c_str());                                                          \
    } while (false)

class GgufExport : public QObject {
    Q_OBJECT

private slots:
    void splittersAreRecognized_data() {
        QTest::addColumn<QByteArray>("preTokenizer");
        QTest::addColumn<bool>("nfc");
        QTest::addColumn<bool>("ignoreMerges");
        QTest::addColumn<QString>("name");
        const auto row = [](const char* name, const json& pre, bool nfc, bool ignore, const char* expected) {
            QTest::newRow(name) << QByteArray::fromStdString(pre.dump()) << nfc << ignore << expected;
        };
        row("gpt-2", byteLevel(true), false, false, "gpt-2");
        row("llama 3", sequence({split(kLlama3), byteLevel(false)}), false, true, "llama-bpe");
        row("qwen2", sequence({split(kQwen2), byteLevel(false)}), true, false, "qwen2");
        row("stablelm2", sequence({split(kQwen2), byteLevel(false)}), false, false, "stablelm2");
        row("starcoder", sequence({{{"type", "Digits"}, {"individual_digits", true}}, byteLevel(true)}),
            false, false, "starcoder");
        row("bloom",
            sequence(
                {split(" ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"), byteLevel(false)}),
            false, false, "bloom");
    }
    void splittersAreRecognized() {
        QFETCH(QByteArray, preTokenizer);
        QFETCH(bool, nfc);
        QFETCH(bool, ignoreMerges);
        QFETCH(QString, name);
        const Made m = make(folderWith(byteBpe(json::parse(preTokenizer.toStdString()), nfc, ignoreMerges),
                                       {{"bos_token", "<|start|>"}}),
                            270);
        QS_VERIFY_OK(m.vocabulary);
        const auto& v = *m.vocabulary;
        QCOMPARE(v.model, std::string("gpt2"));
        QCOMPARE(QString::fromStdString(v.pre), name);
        QCOMPARE(v.tokens.size(), size_t(270));
        QCOMPARE(v.tokens[263], std::string("[PAD263]")); // a gap, and what is behind the last token
        QCOMPARE(v.types[263], 5);
        QCOMPARE(v.tokens[269], std::string("[PAD269]"));
        QCOMPARE(v.types[262], 3);
        QCOMPARE(v.types[264], 4);
        QCOMPARE(v.types[0], 1);
        QCOMPARE(v.merges[2], std::string("he ll"));
        QCOMPARE(v.bos, 262);
        QCOMPARE(v.addBos, std::optional<bool>(true));
        QCOMPARE(v.addEos, std::optional<bool>(false));
        QS_SAME(different(m, "hello <tool> world<|start|> 12345 [PAD263] it's"));
        QS_VERIFY_OK(text::requireSameTokens(v, *m.original));
    }

    void whatHasNoNameIsRefused() {
        const auto why = [](const json& tokenizer, size_t rows = 300) {
            const Made m = make(folderWith(tokenizer), rows);
            return m.vocabulary ? QString("accepted")
                                : QString::fromStdString(m.vocabulary.error().describe());
        };
        const QString unknown = why(byteBpe(sequence({split(R"(\p{L}+|\s)"), byteLevel(false)})));
        QVERIFY2(unknown.contains(R"(\p{L}+|\s)") && unknown.contains("no name"), qPrintable(unknown));
        QVERIFY(why(byteBpe(sequence({split(kLlama3), byteLevel(false)}), true)).contains("NFC"));
        json spaced = byteLevel(true);
        spaced["add_prefix_space"] = true;
        QVERIFY(why(byteBpe(spaced)).contains("add_prefix_space"));
        json lower = byteBpe(byteLevel(true));
        lower["normalizer"] = {{"type", "Lowercase"}};
        QVERIFY(why(lower).contains("Lowercase"));
        const QString rows = why(byteBpe(byteLevel(true)), 264);
        QVERIFY2(rows.contains("265 tokens") && rows.contains("264 rows"), qPrintable(rows));
        json words = {
            {"version", "1.0"},
            {"added_tokens", json::array()},
            {"pre_tokenizer", {{"type", "Whitespace"}}},
            {"model", {{"type", "WordLevel"}, {"vocab", {{"a", 0}, {"<unk>", 1}}}, {"unk_token", "<unk>"}}}};
        QVERIFY(why(words).contains("WordLevel"));
    }

    /// A difference that no rule foresaw is found by trying.
    void otherIdsAreRefused() {
        const Made m = make(folderWith(byteBpe(byteLevel(true))), 265);
        QS_VERIFY_OK(m.vocabulary);
        text::GgufVocabulary v = *m.vocabulary;
        QS_VERIFY_OK(text::requireSameTokens(v, *m.original));
        v.merges.push_back("1 2");
        v.tokens[263] = "12";
        v.types[263] = 1;
        QVERIFY(!text::requireSameTokens(v, *m.original));
    }

    void wordPiece() {
        json vocab = json::object();
        int id = 0;
        for (const char* piece : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "world", "##s",
                                  "##ing", "go", ",", "!", "1", "##2", "a", "##n"})
            vocab[piece] = id++;
        const json tokenizer = {
            {"version", "1.0"},
            {"added_tokens",
             {special(0, "[PAD]"), special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]"),
              special(4, "[MASK]")}},
            {"normalizer",
             {{"type", "BertNormalizer"},
              {"clean_text", true},
              {"handle_chinese_chars", true},
              {"strip_accents", nullptr},
              {"lowercase", true}}},
            {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
            {"post_processor", {{"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}}},
            {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}}},
            {"model",
             {{"type", "WordPiece"},
              {"unk_token", "[UNK]"},
              {"continuing_subword_prefix", "##"},
              {"max_input_chars_per_word", 100},
              {"vocab", vocab}}}};
        const Made m = make(folderWith(tokenizer, {{"cls_token", "[CLS]"}}), 16);
        QS_VERIFY_OK(m.vocabulary);
        const auto& v = *m.vocabulary;
        QCOMPARE(v.model, std::string("bert"));
        QCOMPARE(v.tokens[5], std::string("\u2581hello"));
        QCOMPARE(v.tokens[8], std::string("ing"));
        QCOMPARE(v.tokens[4], std::string("[MASK]"));
        QCOMPARE(v.cls, 2);
        QCOMPARE(v.sep, 3);
        QCOMPARE(v.mask, 4);
        QCOMPARE(v.unk, 1);
        QS_SAME(different(m, "Hello, worlds going [MASK] 12 an!"));
    }

    void unigram() {
        json vocab = json::array();
        vocab.push_back({"<pad>", 0.0});
        vocab.push_back({"</s>", 0.0});
        vocab.push_back({"<unk>", 0.0});
        for (const auto& [piece, score] : {std::pair("\u2581", -2.0),
                                           {"\u2581he", -3.5},
                                           {"llo", -4.0},
                                           {"l", -5.0},
                                           {"o", -5.0},
                                           {"h", -6.0},
                                           {"e", -5.5},
                                           {"\u2581wor", -4.5},
                                           {"ld", -4.2},
                                           {"d", -6.1}})
            vocab.push_back({piece, score});
        const json tokenizer = {
            {"version", "1.0"},
            {"added_tokens", {special(0, "<pad>"), special(1, "</s>"), special(2, "<unk>")}},
            {"pre_tokenizer", sequence({{{"type", "WhitespaceSplit"}},
                                        {{"type", "Metaspace"},
                                         {"replacement", "\u2581"},
                                         {"prepend_scheme", "always"},
                                         {"split", true}}})},
            {"decoder",
             {{"type", "Metaspace"},
              {"replacement", "\u2581"},
              {"prepend_scheme", "always"},
              {"split", true}}},
            {"model", {{"type", "Unigram"}, {"unk_id", 2}, {"vocab", vocab}}}};
        const Made m = make(folderWith(tokenizer, {{"eos_token", "</s>"}}), 13);
        QS_VERIFY_OK(m.vocabulary);
        QCOMPARE(m.vocabulary->model, std::string("t5"));
        QCOMPARE(m.vocabulary->scores[4], -3.5f);
        QCOMPARE(m.vocabulary->types[2], 2);
        QCOMPARE(m.vocabulary->unk, 2);
        QCOMPARE(m.vocabulary->addSpacePrefix, std::optional<bool>(true));
        const auto again = text::tokenizerFromGguf(*m.vocabulary);
        QS_VERIFY_OK(again);
        QVERIFY(*(*again)->encode("hello  world") == *m.original->encode("hello  world"));
        // Without a character map tabs are no spaces in a GGUF file, but are for WhitespaceSplit: noticed.
        const auto refused = text::requireSameTokens(*m.vocabulary, *m.original);
        QVERIFY(!refused && refused.error().describe().find('\t') != std::string::npos);
    }

    void sentencePieceModels_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<QString>("model");
        QTest::newRow("unigram with bytes") << "unigram_bytes.model"
                                            << "t5";
        QTest::newRow("unigram") << "unigram_plain.model"
                                 << "t5";
    }
    void sentencePieceModels() {
        QFETCH(QString, file);
        QFETCH(QString, model);
        const fs::path folder = scratchDir("gguf-export-model");
        fs::copy_file(sourceDir() / "tests/golden/text" / file.toStdString(), folder / "tokenizer.model");
        const auto tokenizer = loadTokenizer(folder);
        QS_VERIFY_OK(tokenizer);
        const Made m = make(folder, size_t((*tokenizer)->vocabularySize()) + 3);
        QS_VERIFY_OK(m.vocabulary);
        QCOMPARE(QString::fromStdString(m.vocabulary->model), model);
        QS_SAME(different(m, "the quick brown fox, 12 \u00e9\u4e2d  spaces\n"));
    }
    void otherSentencePieceModelsAreRefused() {
        // The last two remove extra spaces, which llama.cpp does only for unigram models.
        for (const char* file : {"word.model", "unigram_suffix.model", "bpe_bytes.model", "char.model"}) {
            const fs::path folder = scratchDir("gguf-export-model");
            fs::copy_file(sourceDir() / "tests/golden/text" / file, folder / "tokenizer.model");
            const Made m = make(folder, 100000);
            QVERIFY2(!m.vocabulary, file);
        }
    }

    /// Real tokenizers: with tokenizer.model (its scores), and from the merges of tokenizer.json alone.
    void sharedModels_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"stories260K", "stories940K-char", "prose-6m"})
            QTest::newRow(name) << name;
    }
    void sharedModels() {
        QS_NEED_SHARED(shared);
        QFETCH(QString, name);
        const fs::path folder = shared / "data/models" / name.toStdString();
        std::ifstream in(shared / "data/text/tinystories_val.txt");
        std::string text(200000, '\0');
        in.read(text.data(), std::streamsize(text.size()));
        QVERIFY(in.gcount() == std::streamsize(text.size()));
        const size_t rows = size_t((*loadTokenizer(folder))->vocabularySize());
        for (const bool scores : {true, false}) {
            fs::path from = folder;
            if (!scores) {
                from = scratchDir("gguf-export-shared");
                for (const char* file : {"tokenizer.json", "tokenizer_config.json"})
                    fs::copy_file(folder / file, from / file);
            }
            const Made m = make(from, rows);
            QS_VERIFY_OK(m.vocabulary);
            QCOMPARE(m.vocabulary->model, std::string("llama"));
            QS_SAME(different(m, text));
        }
    }

    void sampleModel() {
        const fs::path folder = qs::test::sampleModel();
        const Made m = make(folder, 1024);
        QS_VERIFY_OK(m.vocabulary);
        QCOMPARE(m.vocabulary->pre, std::string("gpt-2"));
        QS_SAME(different(m, "Once upon a time, in 1999, there was\n\n a caf\u00e9."));
    }
};

QS_TEST(GgufExport)
#include "tst_gguf_export.moc"
