// SPDX-License-Identifier: Apache-2.0
// Components that BERT, T5 and CTC models use. Marked [HF]: values of Hugging Face's own documentation and
// tests; the others by hand from the rules.
#include "core/text/base64.h"
#include "core/text/decoder.h"
#include "core/text/normalizer.h"
#include "core/text/pre_tokenizer.h"
#include "core/text/scripts.h"
#include "tests/unit/text/text_fixtures.h"

using namespace qs;
using namespace qs::test;

namespace {

std::string normalized(const json& j, const std::string& text) {
    const auto n = text::parseNormalizer(j, "n");
    if (!n) return n.error().describe();
    text::NormalizedText t{text, text::growthLimit(text.size()), false};
    const auto done = (*n)->apply(t);
    return done ? t.text : done.error().describe();
}

Strings words(const json& j, const std::string& text) {
    const auto p = text::parsePreTokenizer(j, "p");
    if (!p) return {p.error().describe()};
    text::PreTokens t{text, {{0, text.size(), -1, true}}, text::growthLimit(text.size())};
    if (const auto done = (*p)->apply(t); !done) return {done.error().describe()};
    Strings out;
    for (const auto& piece : t.pieces)
        out.emplace_back(t.view(piece));
    return out;
}

Strings decoded(const json& j, Strings pieces) {
    const auto d = text::parseDecoder(j, "d");
    if (!d) return {d.error().describe()};
    if (const auto done = (*d)->apply(pieces); !done) return {done.error().describe()};
    return pieces;
}

// Base64 (RFC 4648) of a character map with the rules "A" -> "b" and "AA" -> "c", as in SentencePieceTest.
std::string charsmap() {
    std::vector<uint32_t> units(1024, 0xFF);
    units[0] = 256u << 10;
    units[321] = 0x41 | 1u << 8 | 512u << 10;
    units[833] = 1u << 31 | 0;
    units[768] = 0x41 | 1u << 8 | 1u << 10;
    units[769] = 1u << 31 | 2;
    QByteArray blob;
    const auto u32 = [&](uint32_t v) {
        for (int i = 0; i < 4; ++i)
            blob += char(v >> (8 * i));
    };
    u32(uint32_t(units.size() * 4));
    for (const uint32_t u : units)
        u32(u);
    blob += QByteArray("b\0c\0", 4);
    return blob.toBase64().toStdString();
}

} // namespace

class BertComponentsTest : public QObject {
    Q_OBJECT
private slots:
    void bertNormalizer() {
        const json all = {{"type", "BertNormalizer"}};
        QCOMPARE(normalized(all, "Héllo\tWORLD"), std::string("hello world"));
        QCOMPARE(normalized(all, "a\u200bb\x01\ufffd" + std::string(1, '\0') + "c\u00a0d\r\n"),
                 std::string("abc d  "));
        QCOMPARE(normalized(all, "ah\u535A\u63A8zz"), std::string("ah \u535A  \u63A8 zz")); // [BERT]
        QCOMPARE(normalized(all, "\u0130"), std::string("i")); // I, dot above: the mark is off before
        const json cased = {{"type", "BertNormalizer"}, {"lowercase", false}}; // strip_accents follows
        QCOMPARE(normalized(cased, "Héllo"), std::string("Héllo"));
        const json mixed = {{"type", "BertNormalizer"}, {"lowercase", false}, {"strip_accents", true}};
        QCOMPARE(normalized(mixed, "Héllo"), std::string("Hello"));
        const json accents = {{"type", "BertNormalizer"}, {"strip_accents", false}, {"lowercase", true}};
        QCOMPARE(normalized(accents, "HÉLLO"), std::string("héllo"));
        const json off = {{"type", "BertNormalizer"},
                          {"clean_text", false},
                          {"handle_chinese_chars", false},
                          {"strip_accents", false},
                          {"lowercase", false}};
        QCOMPARE(normalized(off, "A\u200b\u535A\t"), std::string("A\u200b\u535A\t"));
    }
    void nmt() {
        QCOMPARE(normalized({{"type", "Nmt"}}, "\x01"
                                               "a\tb\u200bc\u2581\x7f"
                                               "d\ufeff\x0b"),
                 std::string("a b c d "));
    }
    void precompiled() {
        const json j = {{"type", "Precompiled"}, {"precompiled_charsmap", charsmap()}};
        // The shortest rule that starts a cluster replaces it whole, so "A" and its mark are both gone.
        QCOMPARE(normalized(j, "AxA\u0301"), std::string("bxb"));
        QCOMPARE(normalized(j, "AAA"), std::string("bbb"));
        // Six bytes and more: one by one.
        QCOMPARE(normalized(j, "A\u0301\u0301\u0301"), std::string("b\u0301\u0301\u0301"));
        QCOMPARE(normalized({{"type", "Precompiled"}, {"precompiled_charsmap", nullptr}}, "Ab"),
                 std::string("Ab"));
        QCOMPARE(normalized({{"type", "Precompiled"}, {"precompiled_charsmap", "a?=="}}, ""),
                 std::string("n: 'precompiled_charsmap' is not base64"));
        QVERIFY(normalized({{"type", "Precompiled"}, {"precompiled_charsmap", "AAAA"}}, "").find("trie") !=
                std::string::npos);
    }
    void base64() {
        using text::decodeBase64;
        // RFC 4648, section 10.
        QCOMPARE(*decodeBase64(""), std::string());
        QCOMPARE(*decodeBase64("Zg=="), std::string("f"));
        QCOMPARE(*decodeBase64("Zm8="), std::string("fo"));
        QCOMPARE(*decodeBase64("Zm9vYmFy"), std::string("foobar"));
        for (const char* bad : {"Zg", "Zg=", "Zh==", "Z===", "====", "Zm9v\n", "Zm-_"})
            QVERIFY2(!decodeBase64(bad), bad);
    }
    void bertPreTokenizer() {
        QS_COMPARE_LISTS(words({{"type", "BertPreTokenizer"}}, "Hey friend!     How are you?!?"),
                         (Strings{"Hey", "friend", "!", "How", "are", "you", "?", "!", "?"})); // [HF]
        QS_COMPARE_LISTS(words({{"type", "BertPreTokenizer"}}, "a\u3000$b。"),
                         (Strings{"a", "$", "b", "。"}));
    }
    void unicodeScripts() {
        const json j = {{"type", "UnicodeScripts"}};
        QS_COMPARE_LISTS(words(j, "どこで生れ。Yes"), (Strings{"どこで生れ", "。", "Yes"}));           // [HF]
        QS_COMPARE_LISTS(words(j, "Apples are りんご 林檎"), (Strings{"Apples are ", "りんご 林檎"})); // [HF]
        using text::joinedScriptOf;
        QCOMPARE(joinedScriptOf(U'京'), joinedScriptOf(U'グ')); // [HF] all Han
        QCOMPARE(joinedScriptOf(U'京'), joinedScriptOf(U'ー'));
        QCOMPARE(joinedScriptOf(U'a'), joinedScriptOf(U'É'));
        QVERIFY(joinedScriptOf(U'a') != joinedScriptOf(U'я'));
        QCOMPARE(joinedScriptOf(U'0'), joinedScriptOf(U'$'));
        QCOMPARE(joinedScriptOf(U' '), -1);
        QCOMPARE(text::scriptOf(0x378), -1);   // unassigned
        QVERIFY(text::scriptOf(0x11A00) >= 0); // the last name of the list
    }
    void fixedLength() {
        QS_COMPARE_LISTS(words({{"type", "FixedLength"}}, "Hello world"),
                         (Strings{"Hello", " worl", "d"})); // [HF]
        QS_COMPARE_LISTS(words({{"type", "FixedLength"}, {"length", 3}}, "Hello 👋 world"),
                         (Strings{"Hel", "lo ", "👋 w", "orl", "d"})); // [HF]
        QVERIFY(words({{"type", "FixedLength"}, {"length", 0}}, "a")[0].find("length") != std::string::npos);
    }
    void wordPieceDecoder() {
        const Strings given = {"##uelo", "Ara", "##új", "##o", "No", "##guera"};
        const json plain = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", false}};
        QS_COMPARE_LISTS(decoded(plain, given),
                         (Strings{"##uelo", " Ara", "új", "o", " No", "guera"})); // [HF]
        const json clean = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
        QS_COMPARE_LISTS(decoded(clean, {"I", "'m", "here", ",", "do", "n't", "ask", "?"}),
                         (Strings{"I", "'m", " here", ",", " do", "n't", " ask", "?"}));
    }
    void ctcDecoder() {
        const json j = {
            {"type", "CTC"}, {"pad_token", "<pad>"}, {"word_delimiter_token", "|"}, {"cleanup", true}};
        QS_COMPARE_LISTS(
            decoded(j, {"<pad>", "<pad>", "h", "e", "e", "l", "l", "<pad>", "l", "o", "o", "o", "<pad>"}),
            (Strings{"h", "e", "l", "l", "o"})); // [HF]
        QS_COMPARE_LISTS(decoded(j, {"o", "|", "|", "w"}), (Strings{"o", " ", "w"}));
    }
    void unknownComponents() {
        QCOMPARE(normalized({{"type", "Rot13"}}, ""),
                 std::string("n: normalizer type 'Rot13' is not supported"));
        QCOMPARE(words({{"type", "Shuffle"}}, "")[0],
                 std::string("p: pre-tokenizer type 'Shuffle' is not supported"));
        QCOMPARE(decoded({{"type", "Rot13"}}, {})[0],
                 std::string("d: decoder type 'Rot13' is not supported"));
    }
};

QS_TEST(BertComponentsTest)
#include "tst_bert_components.moc"
