// SPDX-License-Identifier: Apache-2.0
// Unigram, WordPiece and WordLevel of tokenizer.json. Marked [HF]: examples of Hugging Face's documentation,
// [BERT]: of tokenization_test.py of google-research/bert; the others are worked out by hand.
#include "tests/unit/text/text_fixtures.h"

using namespace qs;
using namespace qs::test;

namespace {

using Scored = std::vector<std::pair<std::string, double>>;

json unigram(const Scored& vocab, json more = json::object()) {
    more["type"] = "Unigram";
    more["vocab"] = vocab;
    if (!more.contains("unk_id")) more["unk_id"] = 0;
    return bare(more);
}

json wordPiece(const Strings& pieces) {
    json j = bare({{"type", "WordPiece"}, {"vocab", vocabOf(pieces)}, {"unk_token", "[UNK]"}});
    j["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
    return j;
}

Strings pieces(const json& j, const std::string& text) {
    const auto t = fromJson(j);
    if (!t) return {t.error().describe()};
    const auto ids = (*t)->encode(text);
    if (!ids) return {ids.error().describe()};
    Strings out;
    for (const int id : *ids)
        out.push_back((*t)->piece(id));
    return out;
}

} // namespace

class TokenModelsTest : public QObject {
    Q_OBJECT
private slots:
    void unigramTakesTheHighestSum() {
        const Scored v = {{"<unk>", 0.0}, {"a", 0.0},  {"b", 0.0},   {"c", 0.0},    {"d", 0.0},
                          {"cd", 1.0},    {"ab", 2.0}, {"abc", 5.0}, {"abcd", 10.0}};
        QS_COMPARE_LISTS(pieces(unigram(v), "abcdacdxx"), (Strings{"abcd", "a", "cd", "<unk>"})); // [HF]
        // a+bc: -1 - 1.5 = -2.5 beats ab+c: -1.2 - 1.4 = -2.6 and abc: -2.7.
        const Scored w = {{"<unk>", 0.0}, {"a", -1.0}, {"bc", -1.5},
                          {"ab", -1.2},   {"c", -1.4}, {"abc", -2.7}};
        QS_COMPARE_LISTS(pieces(unigram(w), "abc"), (Strings{"a", "bc"}));
        // Equal sums: the end is first reached by the piece that starts earliest.
        const Scored tie = {{"<unk>", 0.0}, {"a", -1.0}, {"b", -1.0}, {"ab", -2.0}};
        QS_COMPARE_LISTS(pieces(unigram(tie), "ab"), (Strings{"ab"}));
    }
    void unigramUnknowns() {
        Scored v = {{"<unk>", 0.0}, {"a", -1.0}, {"xy", -50.0}};
        // Unknown characters cost the lowest score - 10 each and are one token together; "xy" at -50 beats
        // two of -60.
        QS_COMPARE_LISTS(pieces(unigram(v), "azza"), (Strings{"a", "<unk>", "a"}));
        QS_COMPARE_LISTS(pieces(unigram(v), "axya"), (Strings{"a", "xy", "a"}));
        for (int b = 0; b < 256; ++b)
            v.emplace_back(fmt::format("<0x{:02X}>", b), -3.0);
        QS_COMPARE_LISTS(pieces(unigram(v, {{"byte_fallback", true}}), "aé"),
                         (Strings{"a", "<0xC3>", "<0xA9>"}));
        QS_COMPARE_LISTS(pieces(unigram(v, {{"byte_fallback", false}}), "aé"), (Strings{"a", "<unk>"}));
        const auto none = fromJson(unigram({{"a", -1.0}}, {{"unk_id", nullptr}}));
        QS_VERIFY_OK(none);
        QS_VERIFY_ERROR((*none)->encode("ab"), ErrorCode::Corrupt, "unk_id");
    }
    void unigramWithMetaspace() {
        json j = unigram({{"<unk>", 0.0}, {"▁", -2.0}, {"▁a", -1.0}, {"b", -1.0}, {"▁b", -3.5}});
        j["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "always"}};
        j["decoder"] = j["pre_tokenizer"];
        QS_COMPARE_LISTS(pieces(j, "ab b"), (Strings{"▁a", "b", "▁", "b"}));
        QCOMPARE(*(*fromJson(j))->decode({2, 3, 1, 3}), std::string("ab b"));
    }
    void unigramDuplicates() {
        // Of equal pieces the last is found, and every id has its spelling.
        const auto t = fromJson(unigram({{"<unk>", 0.0}, {"a", -1.0}, {"a", -2.0}}));
        QS_VERIFY_OK(t);
        QS_COMPARE_LISTS(*(*t)->encode("a"), (Ids{2}));
        QCOMPARE((*t)->piece(1), std::string("a"));
    }
    void damagedUnigram() {
        QS_VERIFY_ERROR(fromJson(unigram({})), ErrorCode::Corrupt, "vocab");
        QS_VERIFY_ERROR(fromJson(unigram({{"a", -1.0}}, {{"unk_id", 1}})), ErrorCode::Corrupt, "unk_id");
        json j = unigram({{"a", -1.0}, {"b", -1.0}});
        j["model"]["vocab"][1] = 7;
        QS_VERIFY_ERROR(fromJson(j), ErrorCode::Corrupt, "vocab[1]");
        j["model"]["vocab"][1] = json::array({"b", "c"});
        QS_VERIFY_ERROR(fromJson(j), ErrorCode::Corrupt, "vocab[1]");
    }
    void wordPieceIsGreedy() {
        const Strings v = {"[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn", "##ing"};
        QS_COMPARE_LISTS(pieces(wordPiece(v), ""), (Strings{}));
        QS_COMPARE_LISTS(pieces(wordPiece(v), "unwanted running"),
                         (Strings{"un", "##want", "##ed", "runn", "##ing"})); // [BERT]
        QS_COMPARE_LISTS(pieces(wordPiece(v), "unwantedX running"),
                         (Strings{"[UNK]", "runn", "##ing"})); // [BERT]
        const Strings banana = {"##na", "ba", "[UNK]"};
        QS_COMPARE_LISTS(pieces(wordPiece(banana), "banana"), (Strings{"ba", "##na", "##na"})); // [HF]
        QS_COMPARE_LISTS(pieces(wordPiece(banana), "nanana"), (Strings{"[UNK]"}));              // [HF]
        // The longest first piece may leave a rest that no piece begins: no second try.
        QS_COMPARE_LISTS(pieces(wordPiece({"[UNK]", "ab", "abc", "##cd"}), "abcd"), (Strings{"[UNK]"}));
    }
    void wordPieceLimits() {
        json j = wordPiece({"[UNK]", "é", "##é"});
        QCOMPARE(pieces(j, std::string(100, 'x')).size(), size_t(1));
        std::string hundred, more;
        for (int i = 0; i < 100; ++i)
            hundred += "é";
        more = hundred + "é";
        QCOMPARE(pieces(j, hundred).size(), size_t(100)); // characters count, not bytes
        QS_COMPARE_LISTS(pieces(j, more), (Strings{"[UNK]"}));
        j["model"]["max_input_chars_per_word"] = 2;
        QS_COMPARE_LISTS(pieces(j, "éé ééé"), (Strings{"é", "##é", "[UNK]"}));
        j["model"].erase("type"); // files from before 2021
        QS_COMPARE_LISTS(pieces(j, "éé"), (Strings{"é", "##é"}));
        const auto t = fromJson(wordPiece({"a"}));
        QS_VERIFY_OK(t);
        QS_VERIFY_ERROR((*t)->encode("b"), ErrorCode::Corrupt, "[UNK]");
    }
    void wordLevel() {
        json j = bare(
            {{"type", "WordLevel"}, {"vocab", vocabOf({"<unk>", "the", "sea"})}, {"unk_token", "<unk>"}});
        j["pre_tokenizer"] = {{"type", "Whitespace"}};
        QS_COMPARE_LISTS(pieces(j, "the sea seas"), (Strings{"the", "sea", "<unk>"}));
        QS_VERIFY_ERROR(fromJson(bare({{"type", "WordLevel"}, {"vocab", vocabOf({"a"})}})),
                        ErrorCode::Corrupt, "unk_token");
    }
    void droppedOut() {
        const json j = bare({{"type", "BPE"},
                             {"vocab", vocabOf({"a", "b", "ab"})},
                             {"merges", json::array({"a b"})},
                             {"dropout", 0.25}});
        QS_COMPARE_LISTS(pieces(j, "ab"), (Strings{"ab"}));
        QCOMPARE((*fromJson(j))->description(),
                 std::string("tokenizer.json (BPE without its dropout of 0.25)"));
    }
    void unknownModel() {
        QS_VERIFY_ERROR(fromJson(bare({{"type", "Morse"}})), ErrorCode::Unsupported, "'Morse'");
    }
};

QS_TEST(TokenModelsTest)
#include "tst_token_models.moc"
