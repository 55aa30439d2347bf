// SPDX-License-Identifier: Apache-2.0
// Expected texts marked [HF] are those of the unit tests in huggingface/tokenizers (Apache-2.0),
// tokenizers/src/decoders/*.rs.
#include "core/text/decoder.h"
#include "core/text/normalizer.h"
#include "core/text/post_processor.h"
#include "core/text/pre_tokens.h"
#include "tests/unit/text/text_fixtures.h"

using namespace qs;
using namespace qs::test;

namespace {

Result<text::NormalizedText> normalizeFull(const json& j, const std::string& s) {
    QS_TRY(const auto n, text::parseNormalizer(j, "normalizer"));
    text::NormalizedText t{s, text::growthLimit(s.size()), false};
    QS_CHECK(n->apply(t));
    return t;
}
std::string normalize(const json& j, const std::string& s) {
    auto r = normalizeFull(j, s);
    return r ? r->text : "error: " + r.error().describe();
}
Strings decode(const json& j, Strings pieces) {
    const auto d = text::parseDecoder(j, "decoder");
    if (!d) return {"error: " + d.error().describe()};
    const auto r = (*d)->apply(pieces);
    return r ? pieces : Strings{"error: " + r.error().describe()};
}
json type(const char* name) {
    return {{"type", name}};
}
json replace(const json& pattern, const char* content) {
    return {{"type", "Replace"}, {"pattern", pattern}, {"content", content}};
}
json sequence(const char* key, const json& parts) {
    return {{"type", "Sequence"}, {key, parts}};
}

} // namespace

class NormalizerDecoderTest : public QObject {
    Q_OBJECT
private slots:
    void normalizers() {
        QCOMPARE(normalize(type("NFC"), "e\u0301"), std::string("\u00E9"));
        QCOMPARE(normalize(type("NFD"), "\u00E9"), std::string("e\u0301"));
        QCOMPARE(normalize(type("NFKC"), "\uFB01"), std::string("fi"));
        QCOMPARE(normalize(type("NFKD"), "\uFB01\u00E9"), std::string("fie\u0301"));
        QCOMPARE(normalize(type("Lowercase"), "ÀB c"), std::string("àb c"));
        QCOMPARE(normalize(sequence("normalizers", {type("NFD"), type("StripAccents")}), "élève"),
                 std::string("eleve"));
        QCOMPARE(normalize({{"type", "Strip"}, {"strip_left", true}, {"strip_right", false}}, " \u3000a \n"),
                 std::string("a \n"));
        QCOMPARE(normalize({{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}}, " a \u2003"),
                 std::string(" a"));
        QCOMPARE(normalize(replace({{"String", "aaa"}}, "b"), "aaaab"), std::string("bab"));
        QCOMPARE(normalize(replace({{"Regex", "\\s+"}}, "_"), " Hello   friend "),
                 std::string("_Hello_friend_"));
        QCOMPARE(normalize({{"type", "Prepend"}, {"prepend", "▁"}}, "Hello"), std::string("▁Hello"));
        QCOMPARE(normalize({{"type", "Prepend"}, {"prepend", "▁"}}, ""), std::string());
        QCOMPARE(normalize(type("ByteLevel"), "Hello 我"), std::string("HelloĠæĪĳ"));
    }
    void headRemoved() {
        // Metaspace's "first" must know that the text no longer begins where the user's begins.
        QVERIFY(normalizeFull({{"type", "Strip"}}, " a")->headRemoved);
        QVERIFY(!normalizeFull({{"type", "Strip"}}, "a ")->headRemoved);
        QVERIFY(normalizeFull(replace({{"String", "x"}}, ""), "xa")->headRemoved);
        QVERIFY(!normalizeFull(replace({{"String", "x"}}, "y"), "xa")->headRemoved);
        QVERIFY(!normalizeFull(replace({{"String", "x"}}, ""), "ax")->headRemoved);
    }
    void normalizerErrors() {
        const auto parse = [](const json& j) {
            return text::parseNormalizer(j, "tokenizer.json: normalizer");
        };
        QS_VERIFY_ERROR(parse(type("Sideways")), ErrorCode::Unsupported, "Sideways");
        QS_VERIFY_ERROR(parse(sequence("normalizers", {type("NFC"), type("Odd")})), ErrorCode::Unsupported,
                        "normalizers[1]");
        QS_VERIFY_ERROR(parse(type("Replace")), ErrorCode::Corrupt, "pattern");
        QS_VERIFY_ERROR(parse(type("Prepend")), ErrorCode::Corrupt, "prepend");
        json grow = json::array();
        for (int i = 0; i < 200; ++i)
            grow.push_back(replace({{"String", "a"}}, "aa"));
        QS_VERIFY_ERROR(normalizeFull(sequence("normalizers", grow), "aaaa"), ErrorCode::Unsupported,
                        "grows");
    }
    void byteFallback() { // [HF]
        const json j = type("ByteFallback");
        QS_COMPARE_LISTS(decode(j, {"Hey", "friend!"}), (Strings{"Hey", "friend!"}));
        QS_COMPARE_LISTS(decode(j, {"<0x61>"}), (Strings{"a"}));
        QS_COMPARE_LISTS(decode(j, {"<0xE5>", "<0x8f>"}), (Strings{"\uFFFD", "\uFFFD"}));
        QS_COMPARE_LISTS(decode(j, {"<0xE5>", "<0x8f>", "<0xab>", "a"}), (Strings{"叫", "a"}));
        QS_COMPARE_LISTS(decode(j, {"<0xE5>", "<0x8f>", "a"}), (Strings{"\uFFFD", "\uFFFD", "a"}));
        QS_COMPARE_LISTS(decode(j, {"<0xG1>", "<0x6>", "<0x610>"}), (Strings{"<0xG1>", "<0x6>", "<0x610>"}));
    }
    void otherDecoders() {
        QS_COMPARE_LISTS(decode({{"type", "Strip"}, {"content", "H"}, {"start", 1}, {"stop", 0}},
                                {"Hey", " friend!", "HHH"}),
                         (Strings{"ey", " friend!", "HH"})); // [HF]
        QS_COMPARE_LISTS(decode({{"type", "Strip"}, {"content", "y"}, {"start", 0}, {"stop", 1}},
                                {"Hey", " friend!", "y", ""}),
                         (Strings{"He", " friend!", "", ""})); // [HF], and pieces shorter than what is cut
        const json meta = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "always"}};
        QS_COMPARE_LISTS(decode(meta, {"▁Hey", "▁friend!"}), (Strings{"Hey", " friend!"})); // [HF]
        const json never = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "never"}};
        QS_COMPARE_LISTS(decode(never, {"▁Hey", "▁friend!"}), (Strings{" Hey", " friend!"})); // [HF]
        QS_COMPARE_LISTS(decode(type("ByteLevel"), {"Hello", "Ġmy", "âŃ", "¢"}), (Strings{"Hello my⭢"}));
        QS_COMPARE_LISTS(decode(type("ByteLevel"), {"âŃ"}), (Strings{"\uFFFD"})); // a broken character
        QS_COMPARE_LISTS(decode(type("ByteLevel"), {"日"}), (Strings{"日"}));     // not spelled in bytes
        QS_COMPARE_LISTS(decode({{"type", "BPEDecoder"}, {"suffix", "</w>"}}, {"my</w>", "fri", "end</w>"}),
                         (Strings{"my ", "fri", "end"}));
        const json llama =
            sequence("decoders", {replace({{"String", "▁"}}, " "),
                                  type("ByteFallback"),
                                  type("Fuse"),
                                  {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}});
        QS_COMPARE_LISTS(decode(llama, {"▁He", "y", "▁", "<0xF0>", "<0x9F>", "<0x99>", "<0x82>"}),
                         (Strings{"Hey 🙂"}));
        const auto wordPiece = text::parseDecoder(type("WordPiece"), "tokenizer.json: decoder");
        QS_VERIFY_ERROR(wordPiece, ErrorCode::Corrupt, "'prefix' is missing");
    }
    void postProcessors() {
        const auto parse = [](const json& j) {
            return text::parsePostProcessor(j, "tokenizer.json: post_processor");
        };
        const json special = {{"[CLS]", {{"id", "[CLS]"}, {"ids", {7}}, {"tokens", {"[CLS]"}}}},
                              {"[SEP]", {{"id", "[SEP]"}, {"ids", {8, 9}}, {"tokens", {"[SEP]", "!"}}}}};
        const auto part = [](const char* kind, const char* id) {
            return json{{kind, {{"id", id}, {"type_id", 0}}}};
        };
        const auto form = [&](const json& single) {
            return json{{"type", "TemplateProcessing"},
                        {"single", single},
                        {"pair", json::array()},
                        {"special_tokens", special}};
        };
        const json whole =
            form({part("SpecialToken", "[CLS]"), part("Sequence", "A"), part("SpecialToken", "[SEP]")});
        QS_COMPARE_LISTS(parse(whole)->before, (Ids{7}));
        QS_COMPARE_LISTS(parse(whole)->after, (Ids{8, 9}));
        const json both = sequence("processors", {type("ByteLevel"), whole});
        QS_COMPARE_LISTS(parse(both)->before, (Ids{7}));
        const json roberta = {{"type", "RobertaProcessing"},
                              {"sep", {"</s>", 2}},
                              {"cls", {"<s>", 0}},
                              {"trim_offsets", true},
                              {"add_prefix_space", false}};
        QS_COMPARE_LISTS(parse(roberta)->before, (Ids{0}));
        QS_COMPARE_LISTS(parse(roberta)->after, (Ids{2}));
        QVERIFY(parse(type("ByteLevel"))->before.empty());
        QS_VERIFY_ERROR(parse(form({part("SpecialToken", "[X]"), part("Sequence", "A")})), ErrorCode::Corrupt,
                        "[X]");
        QS_VERIFY_ERROR(parse(form(json::array({part("Sequence", "B")}))), ErrorCode::Unsupported, "'B'");
        QS_VERIFY_ERROR(parse(form(json::array({part("SpecialToken", "[CLS]")}))), ErrorCode::Unsupported,
                        "sequence A");
        QS_VERIFY_ERROR(parse(form(json::array({7}))), ErrorCode::Corrupt, "not 7");
        QS_VERIFY_ERROR(parse(type("Odd")), ErrorCode::Unsupported, "Odd");
    }
};

QS_TEST(NormalizerDecoderTest)
#include "tst_normalizer_decoder.moc"
