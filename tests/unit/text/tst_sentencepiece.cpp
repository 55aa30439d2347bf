// SPDX-License-Identifier: Apache-2.0
// Small models written here; ids by hand from the rules, and vectors of the sentencepiece library where said.
#include "core/text/charsmap.h"
#include "core/text/protobuf.h"
#include "core/text/sentencepiece_proto.h"
#include "tests/unit/text/text_fixtures.h"

#include <ctime>
#include <limits>
#include <random>

using namespace qs;
using namespace qs::test;

namespace {

constexpr int kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;

std::vector<SpmPiece> head() {
    return {{"<unk>", 0, kUnknown}, {"<s>", 0, kControl}, {"</s>", 0, kControl}};
}

std::vector<SpmPiece> withBytes() {
    auto v = head();
    for (int b = 0; b < 256; ++b)
        v.push_back({fmt::format("<0x{:02X}>", b), 0, kByte});
    return v;
}

ProtoWriter bpeTrainer(bool byteFallback = false) {
    return ProtoWriter().varint(3, 2).varint(35, byteFallback);
}
// Nothing removed, "▁" put in front.
ProtoWriter plainNormalizer() {
    return ProtoWriter().bytes(1, "identity").varint(3, 1).varint(4, 0).varint(5, 1);
}

struct Model {
    std::vector<SpmPiece> pieces;
    std::shared_ptr<const Tokenizer> tokenizer;

    Model(std::vector<SpmPiece> p, const ProtoWriter& trainer, const ProtoWriter& normalizer)
        : pieces(std::move(p)) {
        auto r = fromModel(modelProto(pieces, trainer, normalizer));
        if (r)
            tokenizer = *r;
        else
            qWarning("%s", r.error().describe().c_str());
    }
    Strings operator()(const std::string& text) const {
        if (!tokenizer) return {"no tokenizer"};
        const auto ids = tokenizer->encode(text, false);
        if (!ids) return {ids.error().describe()};
        Strings out;
        for (const int id : *ids)
            out.push_back(tokenizer->piece(id));
        return out;
    }
};

std::vector<SpmPiece> small(std::vector<SpmPiece> start, const std::vector<SpmPiece>& more) {
    start.insert(start.end(), more.begin(), more.end());
    return start;
}

const std::vector<SpmPiece> kLetters = {
    {"▁", -10, kNormal}, {"a", -11, kNormal}, {"b", -12, kNormal}, {"c", -13, kNormal}};

} // namespace

class SentencePieceTest : public QObject {
    Q_OBJECT
private slots:
    void mergesByScore() {
        // "bc" scores higher than "ab", so it is joined first; between equals the left one.
        const Model m(
            small(small(head(), kLetters),
                  {{"ab", -3, kNormal}, {"bc", -2, kNormal}, {"▁a", -4, kNormal}, {"aa", -1, kNormal}}),
            bpeTrainer(), plainNormalizer());
        QS_COMPARE_LISTS(m("abc"), (Strings{"▁a", "bc"}));
        QS_COMPARE_LISTS(m("ab"), (Strings{"▁", "ab"})); // -3 before -4
        QS_COMPARE_LISTS(m("aaa"), (Strings{"▁", "aa", "a"}));
        QS_COMPARE_LISTS(m("a a"), (Strings{"▁a", "▁a"}));
        QS_COMPARE_LISTS(m(""), (Strings{}));
    }
    void unknownCharacters() {
        const Model m(small(head(), kLetters), bpeTrainer(), plainNormalizer());
        QS_COMPARE_LISTS(m("axyb z"), (Strings{"▁", "a", "<unk>", "b", "▁", "<unk>"})); // runs are one
        const Model bytes(small(withBytes(), kLetters), bpeTrainer(true), plainNormalizer());
        QS_COMPARE_LISTS(bytes("aéb"), (Strings{"▁", "a", "<0xC3>", "<0xA9>", "b"}));
        // Malformed bytes become U+FFFD one by one.
        QS_COMPARE_LISTS(bytes("\xE2\x82"),
                         (Strings{"▁", "<0xEF>", "<0xBF>", "<0xBD>", "<0xEF>", "<0xBF>", "<0xBD>"}));
    }
    void controlAndBytePiecesAreNotMatched() {
        const auto letters = std::vector<SpmPiece>{{"<", -1, kNormal}, {"s", -2, kNormal}, {">", -3, kNormal},
                                                   {"0", -4, kNormal}, {"x", -5, kNormal}, {"A", -6, kNormal},
                                                   {"▁", -7, kNormal}};
        const Model m(small(withBytes(), letters), bpeTrainer(true), plainNormalizer());
        QS_COMPARE_LISTS(m("<s>"), (Strings{"▁", "<", "s", ">"}));
        QS_COMPARE_LISTS(m("<0x0A>"), (Strings{"▁", "<", "0", "x", "0", "A", ">"}));
    }
    void userDefinedPiecesStayWhole() {
        const Model m(small(small(head(), kLetters), {{"ab", -1, kNormal},
                                                      {"abc", -1, kNormal},
                                                      {"ca", 0, kUserDefined},
                                                      {"cab", 0, kUserDefined}}),
                      bpeTrainer(), plainNormalizer());
        // The longest one first; what it takes cannot be merged with neighbours.
        QS_COMPARE_LISTS(m("abcabc"), (Strings{"▁", "ab", "cab", "c"}));
        QS_COMPARE_LISTS(m("bcaa"), (Strings{"▁", "b", "ca", "a"}));
    }
    void unusedPiecesAreTakenApart() {
        const Model m(small(small(head(), kLetters), {{"ab", -1, kUnused}, {"abc", -2, kNormal}}),
                      bpeTrainer(), plainNormalizer());
        QS_COMPARE_LISTS(m("ab"), (Strings{"▁", "a", "b"}));
        QS_COMPARE_LISTS(m("abc"), (Strings{"▁", "abc"})); // by way of the unused one
    }
    void normalizerSwitches() {
        const auto pieces = small(head(), kLetters);
        const Model removing(pieces, bpeTrainer(), ProtoWriter()); // both defaults are true
        QS_COMPARE_LISTS(removing("  a   b "), (Strings{"▁", "a", "▁", "b"}));
        QS_COMPARE_LISTS(removing("   "), (Strings{}));
        const Model keeping(pieces, bpeTrainer(), plainNormalizer());
        QS_COMPARE_LISTS(keeping(" a  b"), (Strings{"▁", "▁", "a", "▁", "▁", "b"}));
        const Model noPrefix(pieces, bpeTrainer(), ProtoWriter().varint(3, 0).varint(4, 0));
        QS_COMPARE_LISTS(noPrefix("a b"), (Strings{"a", "▁", "b"}));
        const Model suffix(pieces, bpeTrainer().varint(24, 1), ProtoWriter());
        QS_COMPARE_LISTS(suffix("a b"), (Strings{"a", "▁", "b", "▁"}));
        auto spaces = pieces;
        spaces.push_back({" ", -20, kNormal});
        const Model raw(spaces, bpeTrainer(), ProtoWriter().varint(4, 0).varint(5, 0));
        QS_COMPARE_LISTS(raw("a b"), (Strings{" ", "a", " ", "b"}));
    }
    void decoding() {
        const Model m(small(withBytes(), kLetters), bpeTrainer(true), plainNormalizer());
        const Tokenizer& t = *m.tokenizer;
        QCOMPARE(*t.decode({1, 259, 260, 259, 261, 2}), std::string("a b"));
        QCOMPARE(*t.decode({259, 259, 260}), std::string(" a")); // one space belongs to the prefix
        QCOMPARE(*t.decode({260, 0xF0 + 3, 0x9F + 3, 0x99 + 3, 0x82 + 3}), std::string("a🙂"));
        QCOMPARE(*t.decode({260, 0xF0 + 3, 0x9F + 3, 260}), std::string("a\uFFFD\uFFFDa"));
        QCOMPARE(*t.decode({260, 0}), std::string("a \xE2\x81\x87 ")); // the default unk_surface
        QCOMPARE(*t.decode({1, 260}, false), std::string("<s>a"));
        QS_VERIFY_ERROR(t.decode({5000}), ErrorCode::InvalidArgument, "5000");
        QCOMPARE(t.display(259), std::string("␣"));
        QCOMPARE(t.display(3 + 0x0A), std::string("\\n"));
        QCOMPARE(t.display(3 + 0xC3), std::string("<0xC3>"));
        QCOMPARE(t.vocabularySize(), 263);
        QCOMPARE(t.description(), std::string("tokenizer.model (SentencePiece BPE, byte fallback)"));
    }
    void specialIds() {
        const auto bytes = modelProto(small(head(), kLetters), bpeTrainer(), plainNormalizer());
        const auto ids = [&](const std::string& config) { return *(*fromModel(bytes, config))->encode("a"); };
        QS_COMPARE_LISTS(ids(""), (Ids{1, 3, 4}));
        QS_COMPARE_LISTS(ids(R"({"add_bos_token": false})"), (Ids{3, 4}));
        QS_COMPARE_LISTS(ids(R"({"add_eos_token": true})"), (Ids{1, 3, 4, 2}));
        QCOMPARE((*fromModel(bytes))->bosId(), 1);
        QCOMPARE((*fromModel(bytes))->eosId(), 2);
        const auto none = fromModel(
            modelProto({{"<unk>", 0, kUnknown}, {"a", 0, kNormal}}, bpeTrainer(), plainNormalizer()));
        QS_VERIFY_OK(none);
        QCOMPARE((*none)->bosId(), -1);
        QS_COMPARE_LISTS(*(*none)->encode("a"), (Ids{0, 1}));
    }
    void characterMap() {
        // A double array of two rules, "A" -> "b" and "AA" -> "c". Unit of a state: label, leaf flag (bit 8),
        // offset << 10; the unit at state ^ offset holds the value (high bit set). Root offset 256: 'A'
        // (0x41) leads to 256 ^ 0x41 = 321; its offset 512 puts its value at 321 ^ 512 = 833 and its child
        // 'A' at 833 ^ 0x41 = 768, whose offset 1 puts its value at 769.
        std::vector<uint32_t> units(1024, 0xFF);
        units[0] = 256u << 10;
        units[321] = 0x41 | 1u << 8 | 512u << 10;
        units[833] = 1u << 31 | 0;
        units[768] = 0x41 | 1u << 8 | 1u << 10;
        units[769] = 1u << 31 | 2;
        std::string blob;
        const auto u32 = [&](uint32_t v) {
            for (int i = 0; i < 4; ++i)
                blob += char(v >> (8 * i));
        };
        u32(uint32_t(units.size() * 4));
        for (const uint32_t u : units)
            u32(u);
        blob += std::string("b\0c\0", 4);
        const auto map = text::Charsmap::parse(blob, "map");
        QS_VERIFY_OK(map);
        std::string_view to;
        QCOMPARE(map->longestRule("Ab", to), size_t(1));
        QVERIFY(to == "b");
        QCOMPARE(map->longestRule("AAA", to), size_t(2));
        QVERIFY(to == "c");
        QCOMPARE(map->longestRule("x", to), size_t(0));
        const Model m(small(head(), kLetters), bpeTrainer(), plainNormalizer().bytes(2, blob));
        QS_COMPARE_LISTS(m("AAAa"), (Strings{"▁", "c", "b", "a"}));
        for (size_t n = 1; n < 20; ++n)
            QVERIFY(!text::Charsmap::parse(blob.substr(0, n), "map").has_value());
        QS_VERIFY_ERROR(text::Charsmap::parse(blob.substr(0, blob.size() - 1), "map"), ErrorCode::Corrupt,
                        "no end");
        std::mt19937 random(3);
        for (int i = 0; i < 300; ++i) { // wild units stay inside the arrays
            std::string wild = blob;
            for (int k = 0; k < 40; ++k)
                wild[4 + random() % (wild.size() - 5)] = char(random());
            if (const auto w = text::Charsmap::parse(wild, "map")) (void)w->longestRule("AAAAxyz", to);
        }
    }
    void selfTestData() {
        const auto base = modelProto(small(head(), kLetters), bpeTrainer(), plainNormalizer());
        const auto with = [&](const char* expected) {
            const auto sample = ProtoWriter().bytes(1, "ab").bytes(2, expected).str();
            return base + ProtoWriter().bytes(4, ProtoWriter().bytes(1, sample).str()).str();
        };
        QS_VERIFY_OK(fromModel(with("▁ a b")));
        QS_VERIFY_ERROR(fromModel(with("▁ ab")), ErrorCode::Corrupt, "self_test_data");
    }
    void wireFormat() {
        // 08 96 01 is field 1 = 150 (protobuf.dev, "A Simple Message"); 12 07 "testing" is field 2.
        text::ProtoReader r(std::string_view("\x08\x96\x01\x12\x07testing\x1D\x00\x00\x80\x3F", 17), "m");
        QVERIFY(*r.next());
        QCOMPARE(*r.varint(), uint64_t(150));
        QS_VERIFY_ERROR(r.bytes(), ErrorCode::Corrupt, "field 1");
        QVERIFY(*r.next());
        QVERIFY(*r.bytes() == "testing");
        QVERIFY(*r.next());
        QCOMPARE(*r.real(), 1.0f);
        QVERIFY(!*r.next());
        const auto fails = [](std::string_view bytes, const char* part) {
            text::ProtoReader reader(bytes, "m");
            const auto n = reader.next();
            return !n && n.error().describe().find(part) != std::string::npos;
        };
        QVERIFY(fails("\x08\x96", "ends inside"));
        QVERIFY(fails("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", "64 bits"));
        QVERIFY(fails("\x12\x7Fxx", "127 bytes announced, 2 left"));
        QVERIFY(fails("\x12\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", "announced"));
        QVERIFY(fails("\x1D\x01", "announced"));
        QVERIFY(fails("\x0B", "wire type"));
        QVERIFY(fails(std::string_view("\x02\x00", 2), "field number"));
        text::ProtoReader negative(std::string_view("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11), "m");
        QVERIFY(*negative.next());
        QCOMPARE(*negative.integer(), -1);
    }
    void damagedModels() {
        const auto made = [](const std::vector<SpmPiece>& pieces, const ProtoWriter& trainer) {
            return fromModel(modelProto(pieces, trainer, plainNormalizer()));
        };
        const auto plus = [](const SpmPiece& p) { return small(small(head(), kLetters), {p}); };
        QS_VERIFY_ERROR(fromModel(""), ErrorCode::Corrupt, "no pieces");
        QS_VERIFY_ERROR(made(kLetters, bpeTrainer()), ErrorCode::Corrupt, "UNKNOWN");
        QS_VERIFY_ERROR(made(plus({"<u>", 0, kUnknown}), bpeTrainer()), ErrorCode::Corrupt,
                        "both have type UNKNOWN");
        QS_VERIFY_ERROR(made(plus({"a", 0, kNormal}), bpeTrainer()), ErrorCode::Corrupt, "two ids");
        QS_VERIFY_ERROR(made(plus({"", 0, kNormal}), bpeTrainer()), ErrorCode::Corrupt, "pieces[7]");
        QS_VERIFY_ERROR(made(plus({"\xFF", 0, kNormal}), bpeTrainer()), ErrorCode::Corrupt, "UTF-8");
        QS_VERIFY_ERROR(made(plus({"x", std::numeric_limits<float>::quiet_NaN(), kNormal}), bpeTrainer()),
                        ErrorCode::Corrupt, "score");
        QS_VERIFY_ERROR(made(plus({"x", 0, 9}), bpeTrainer()), ErrorCode::Corrupt, "'type'");
        QS_VERIFY_ERROR(made(plus({"<0x00>", 0, kByte}), bpeTrainer()), ErrorCode::Corrupt, "byte_fallback");
        QS_VERIFY_ERROR(made(plus({"<0x00>", 0, kByte}), bpeTrainer(true)), ErrorCode::Corrupt,
                        "256 byte pieces");
        QS_VERIFY_OK(made(small(head(), kLetters), ProtoWriter())); // Unigram is the default
        QS_VERIFY_OK(made(small(head(), kLetters), ProtoWriter().varint(3, 4)));
        QS_VERIFY_ERROR(made(small(head(), kLetters), ProtoWriter().varint(3, 7)), ErrorCode::Corrupt,
                        "model_type");
        const std::string whole =
            modelProto(small(withBytes(), kLetters), bpeTrainer(true), plainNormalizer());
        std::mt19937 random(5);
        for (size_t n = 1; n < whole.size(); n += 13)
            (void)fromModel(whole.substr(0, n));
        for (int i = 0; i < 500; ++i) {
            std::string wild = whole;
            for (int k = 0; k < 3; ++k)
                wild[random() % wild.size()] = char(random());
            if (const auto t = fromModel(wild)) (void)(*t)->encode("a b c \xFF");
        }
    }
    void oneCharacterIsNotQuadratic() {
        const Model m(small(small(head(), kLetters), {{"aa", -1, kNormal}, {"aaaa", -2, kNormal}}),
                      bpeTrainer(), plainNormalizer());
        const auto seconds = [&](size_t n) {
            const std::clock_t begin = std::clock();
            const auto ids = m.tokenizer->encode(std::string(n, 'a'), false);
            if (!ids || ids->size() != 1 + n / 4) return -1.0;
            return double(std::clock() - begin) / CLOCKS_PER_SEC;
        };
        const double few = seconds(size_t(1) << 16), many = seconds(size_t(1) << 20);
        QVERIFY(few >= 0 && many >= 0);
        QVERIFY2(many < 80 * few + 0.2, qPrintable(QString("%1 s, %2 s").arg(few).arg(many)));
    }
};

QS_TEST(SentencePieceTest)
#include "tst_sentencepiece.moc"
