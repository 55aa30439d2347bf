// SPDX-License-Identifier: Apache-2.0
// Expected ids marked [HF] are those of the unit tests in huggingface/tokenizers (Apache-2.0),
// tokenizers/src/models/bpe/model.rs.
#include "tests/unit/text/text_fixtures.h"

#include <ctime>
#include <map>
#include <random>

using namespace qs;
using namespace qs::test;

namespace {

json bpe(const Strings& pieces, const json& merges, json options = json::object()) {
    options["type"] = "BPE";
    options["vocab"] = vocabOf(pieces);
    options["merges"] = merges;
    return bare(options);
}

// An initializer list of pairs of strings would become an object.
json pairs(const std::vector<std::pair<std::string, std::string>>& list) {
    json j = json::array();
    for (const auto& [a, b] : list)
        j.push_back(json::array({a, b}));
    return j;
}

Ids encode(const json& tokenizer, const std::string& text) {
    const auto t = fromJson(tokenizer);
    if (!t) {
        qWarning("%s", t.error().describe().c_str());
        return {-1};
    }
    const auto ids = (*t)->encode(text);
    return ids ? *ids : Ids{-2};
}

const Strings kUnrelated = {"u",  "n",  "r",  "e",  "l",    "a",   "t",       "d",
                            "re", "at", "ed", "un", "ated", "rel", "related", "unrelated"};

} // namespace

class BpeTest : public QObject {
    Q_OBJECT
private slots:
    void mergesByRank() { // [HF]
        const json tuples = pairs({{"r", "e"},
                                   {"a", "t"},
                                   {"e", "d"},
                                   {"u", "n"},
                                   {"at", "ed"},
                                   {"re", "l"},
                                   {"rel", "ated"},
                                   {"un", "related"}});
        QS_COMPARE_LISTS(encode(bpe(kUnrelated, tuples), "unrelated"), (Ids{15}));
        const json lines = {"r e", "a t", "e d", "u n", "at ed", "re l", "rel ated", "un related"};
        QS_COMPARE_LISTS(encode(bpe(kUnrelated, lines), "unrelated"), (Ids{15}));
        const json versioned = {"#version: 0.2", "r e"};
        QS_COMPARE_LISTS(encode(bpe(kUnrelated, versioned), "ere"), idsOf(kUnrelated, {"e", "re"}));
        QS_COMPARE_LISTS(encode(bpe(kUnrelated, json::array()), "unt"), (Ids{0, 1, 6}));
    }
    void lowestRankThenLeftmost() {
        // By hand. "abcab", b+c first: a [bc] a b -> then a+b at the end. "aaa": the left pair of equals.
        const Strings v = {"a", "b", "c", "bc", "ab", "aa"};
        QS_COMPARE_LISTS(encode(bpe(v, {"b c", "a b"}), "abcab"), idsOf(v, {"a", "bc", "ab"}));
        QS_COMPARE_LISTS(encode(bpe(v, {"a b", "b c"}), "abcab"), idsOf(v, {"ab", "c", "ab"}));
        QS_COMPARE_LISTS(encode(bpe(v, json::array({"a a"})), "aaa"), idsOf(v, {"aa", "a"}));
    }
    void piecesWithSpaces() {
        const Strings v = {"a", " ", " a", "a a"};
        QS_COMPARE_LISTS(encode(bpe(v, pairs({{" ", "a"}, {"a", " a"}})), "a a"), (Ids{3}));
        QS_VERIFY_ERROR(fromJson(bpe(v, json::array({"a  a"}))), ErrorCode::Corrupt, "merges[0]");
    }
    void unknownCharacters() { // [HF]
        const Strings v = {"<unk>", "a", "b"};
        const json apart = bpe(v, json::array(), {{"unk_token", "<unk>"}});
        QS_COMPARE_LISTS(encode(apart, "cc"), (Ids{0, 0}));
        QS_COMPARE_LISTS(encode(apart, "accb"), (Ids{1, 0, 0, 2}));
        const json fused = bpe(v, json::array(), {{"unk_token", "<unk>"}, {"fuse_unk", true}});
        QS_COMPARE_LISTS(encode(fused, "cc"), (Ids{0}));
        QS_COMPARE_LISTS(encode(fused, "accb"), (Ids{1, 0, 2}));
        // No unknown token: the reference drops what it does not know.
        QS_COMPARE_LISTS(encode(bpe(v, json::array()), "acb"), (Ids{1, 2}));
        // An unknown token that the vocabulary lacks is an error when it is needed, and only then.
        const auto lacking = fromJson(bpe({"a"}, json::array(), {{"unk_token", "[UNK]"}}));
        QS_VERIFY_OK(lacking);
        QVERIFY((*lacking)->encode("a").has_value());
        QS_VERIFY_ERROR((*lacking)->encode("b"), ErrorCode::Corrupt, "[UNK]");
    }
    void byteFallback() { // [HF]
        const json j = bpe({"<unk>", "<0x61>", "<0x0A>"}, json::array(),
                           {{"unk_token", "<unk>"}, {"byte_fallback", true}});
        QS_COMPARE_LISTS(encode(j, "c"), (Ids{0}));
        QS_COMPARE_LISTS(encode(j, "a"), (Ids{1}));
        QS_COMPARE_LISTS(encode(j, "\n"), (Ids{2}));
        // All bytes of a character or none: U+00E9 is C3 A9, and A9 is missing.
        const json half =
            bpe({"<unk>", "<0xC3>"}, json::array(), {{"unk_token", "<unk>"}, {"byte_fallback", true}});
        QS_COMPARE_LISTS(encode(half, "\u00E9"), (Ids{0}));
        // Without the option the pieces are just pieces.
        QS_COMPARE_LISTS(encode(bpe({"<unk>", "<0x61>"}, json::array(), {{"unk_token", "<unk>"}}), "a"),
                         (Ids{0}));
    }
    void continuingPrefixAndSuffix() { // [HF] for the prefix
        const json j = bpe({"a", "##b", "##c", "ab", "abc"}, pairs({{"a", "##b"}, {"ab", "##c"}}),
                           {{"unk_token", "[UNK]"}, {"continuing_subword_prefix", "##"}});
        QS_COMPARE_LISTS(encode(j, "ab"), (Ids{3}));
        QS_COMPARE_LISTS(encode(j, "abc"), (Ids{4}));
        const json s =
            bpe({"a", "b", "b</w>", "ab</w>"}, pairs({{"a", "b</w>"}}), {{"end_of_word_suffix", "</w>"}});
        QS_COMPARE_LISTS(encode(s, "bab"), (Ids{1, 3}));
    }
    void ignoreMerges() { // [HF]
        const Strings v = {".:.:",       "Ġbelirtilen", ".",  ":", "bel", "irtilen", "Ġ",  ".:",
                           "belirtilen", ".:.",         "be", "l", "ir",  "ti",      "en", "irtil",
                           "irti",       "i",           "r",  "t", "b",   "e",       "n"};
        const json merges = pairs({{".", ":"},
                                   {"b", "e"},
                                   {"be", "l"},
                                   {"i", "r"},
                                   {"t", "i"},
                                   {"ir", "ti"},
                                   {"e", "n"},
                                   {"irti", "l"}});
        const json whole = bpe(v, merges, {{"ignore_merges", true}});
        QS_COMPARE_LISTS(encode(whole, ".:.:"), (Ids{0}));
        QS_COMPARE_LISTS(encode(whole, "Ġbelirtilen"), (Ids{1}));
        QS_COMPARE_LISTS(encode(bpe(v, merges), ".:.:"), (Ids{7, 7}));
        QS_COMPARE_LISTS(encode(bpe(v, merges), "Ġbelirtilen"), (Ids{6, 4, 15, 14}));
    }
    // A text without a pre-tokenizer is cut before "▁" where no merge reaches across; with such a merge it
    // must not be.
    void cuttingAtSpacesChangesNothing() {
        const Strings v = {"▁", "a", "b", "▁a", "b▁", "▁▁", "ab", "▁ab"};
        QS_COMPARE_LISTS(encode(bpe(v, {"▁ a", "▁ ▁"}), "▁▁▁ab▁a"), idsOf(v, {"▁▁", "▁a", "b", "▁a"}));
        QS_COMPARE_LISTS(encode(bpe(v, {"b ▁", "▁ a"}), "▁ab▁a"), idsOf(v, {"▁a", "b▁", "a"}));
    }
    void agreesWithPlainSearch() {
        // Sennrich's loop: find the best pair, join its leftmost occurrence, repeat.
        const Strings v = {"a", "b", "c", "ab", "bc", "ca", "abc", "aa", "cab", "abab", "bb"};
        const std::vector<std::pair<std::string, std::string>> merges = {
            {"a", "b"},  {"c", "a"},   {"b", "c"},  {"a", "a"}, {"ab", "c"},
            {"ca", "b"}, {"ab", "ab"}, {"a", "bc"}, {"b", "b"}};
        std::map<std::pair<std::string, std::string>, int> rank;
        for (size_t i = 0; i < merges.size(); ++i)
            rank[merges[i]] = int(i);
        const auto t = fromJson(bpe(v, pairs(merges)));
        QS_VERIFY_OK(t);
        std::mt19937 random(11);
        for (int round = 0; round < 500; ++round) {
            std::string text;
            for (unsigned n = random() % 40; n-- > 0;)
                text += char('a' + random() % 3);
            Strings s;
            for (const char c : text)
                s.emplace_back(1, c);
            while (true) {
                int best = 1000;
                size_t at = 0;
                for (size_t i = 0; i + 1 < s.size(); ++i)
                    if (const auto it = rank.find({s[i], s[i + 1]}); it != rank.end() && it->second < best) {
                        best = it->second;
                        at = i;
                    }
                if (best == 1000) break;
                s[at] += s[at + 1];
                s.erase(s.begin() + long(at) + 1);
            }
            const auto ids = (*t)->encode(text);
            QS_VERIFY_OK(ids);
            QS_COMPARE_LISTS(*ids, idsOf(v, s));
        }
    }
    void oneCharacterIsNotQuadratic() {
        Strings v = {"a"};
        json merges = json::array();
        for (int i = 0; i < 4; ++i) {
            merges.push_back(json::array({v.back(), v.back()}));
            v.push_back(v.back() + v.back());
        }
        const auto t = fromJson(bpe(v, merges));
        QS_VERIFY_OK(t);
        const auto seconds = [&](size_t n) {
            const std::clock_t begin = std::clock();
            const auto ids = (*t)->encode(std::string(n, 'a'));
            if (!ids || *ids != Ids(n / 16, 4)) return -1.0;
            return double(std::clock() - begin) / CLOCKS_PER_SEC;
        };
        const double small = seconds(size_t(1) << 16), large = seconds(size_t(1) << 20);
        QVERIFY(small >= 0 && large >= 0);
        QVERIFY2(large < 80 * small + 0.2, qPrintable(QString("%1 s, %2 s").arg(small).arg(large)));
    }
    void damagedModels() {
        const Strings v = {"a", "b", "ab"};
        QS_VERIFY_ERROR(fromJson(bpe(v, json::array({"a d"}))), ErrorCode::Corrupt,
                        "'d' is not in the vocabulary");                                  // [HF]
        QS_VERIFY_ERROR(fromJson(bpe(v, {"a b", "c"})), ErrorCode::Corrupt, "merges[1]"); // [HF]
        QS_VERIFY_ERROR(fromJson(bpe(v, json::array({"b a"}))), ErrorCode::Corrupt, "'ba'");
        QS_VERIFY_ERROR(fromJson(bpe(v, json::array({7}))), ErrorCode::Corrupt, "not 7");
        QS_VERIFY_ERROR(fromJson(bpe(v, json::array(), {{"dropout", "much"}})), ErrorCode::Corrupt,
                        "dropout");
        QVERIFY(fromJson(bpe(v, json::array(), {{"dropout", 0.0}})).has_value());
        QS_VERIFY_ERROR(fromJson(bpe(v, json::array(), {{"fuse_unk", 1}})), ErrorCode::Corrupt, "fuse_unk");
        const auto model = [](const json& vocab) {
            return bare({{"type", "BPE"}, {"vocab", vocab}, {"merges", json::array()}});
        };
        QS_VERIFY_ERROR(fromJson(model({{"a", -1}})), ErrorCode::Corrupt, "-1");
        QS_VERIFY_ERROR(fromJson(model({{"a", 1LL << 40}})), ErrorCode::Corrupt, "token ids");
        QS_VERIFY_ERROR(fromJson(model({{"a", 1.5}})), ErrorCode::Corrupt, "'a'");
        QS_VERIFY_ERROR(fromJson(model({{"a", 1}, {"b", 1}})), ErrorCode::Corrupt, "id 1");
        QS_VERIFY_ERROR(fromJson(model(json::object())), ErrorCode::Corrupt, "empty");
        QS_VERIFY_ERROR(fromJson(model(json::array({"a"}))), ErrorCode::Corrupt, "'vocab'");
        QS_VERIFY_ERROR(fromJson(bare({{"type", "Lzw"}, {"vocab", json::array()}})), ErrorCode::Unsupported,
                        "'Lzw'");
    }
};

QS_TEST(BpeTest)
#include "tst_bpe.moc"
