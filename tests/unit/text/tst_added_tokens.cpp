// SPDX-License-Identifier: Apache-2.0
// Expected cuts marked [HF] are those of the unit tests in huggingface/tokenizers (Apache-2.0),
// tokenizers/src/tokenizer/added_vocabulary.rs.
#include "core/text/added_tokens.h"
#include "tests/unit/text/text_fixtures.h"

using namespace qs;
using namespace qs::test;

namespace {

json token(int id, const char* content, bool special, json more = json::object()) {
    more["id"] = id;
    more["content"] = content;
    more["special"] = special;
    if (!more.contains("normalized")) more["normalized"] = !special;
    return more;
}

// "text" or "text=id" for every piece.
Strings extract(const json& tokens, const json& normalizer, const std::string& text) {
    std::shared_ptr<const text::Normalizer> n;
    if (!normalizer.is_null()) n = text::parseNormalizer(normalizer, "normalizer").value();
    const auto added = text::AddedTokens::parse(tokens, text::Vocabulary(), n.get(), "added_tokens");
    if (!added) return {"error: " + added.error().describe()};
    const auto cut = added->extract(text, n.get());
    if (!cut) return {"error: " + cut.error().describe()};
    Strings out;
    for (const auto& p : cut->pieces)
        out.push_back(std::string(cut->view(p)) + (p.token >= 0 ? "=" + std::to_string(p.token) : ""));
    return out;
}

const json kLower = {{"type", "Lowercase"}};

} // namespace

class AddedTokensTest : public QObject {
    Q_OBJECT
private slots:
    void plain() { // [HF]
        const json t = json::array({token(0, "my", false), token(1, "name", false), token(2, "[CLS]", true),
                                    token(3, "[SEP]", true)});
        QS_COMPARE_LISTS(extract(t, nullptr, "[CLS] My name is Anthony [SEP]"),
                         (Strings{"[CLS]=2", " My ", "name=1", " is Anthony ", "[SEP]=3"}));
        QS_COMPARE_LISTS(extract(t, nullptr, ""), (Strings{}));
        QS_COMPARE_LISTS(extract(json::array(), nullptr, "abc"), (Strings{"abc"}));
    }
    void options() { // [HF]
        const json t = json::array({token(0, "my", false, {{"lstrip", true}, {"rstrip", true}}),
                                    token(1, "name", false), token(2, "ony", false, {{"single_word", true}}),
                                    token(3, "[CLS]", true), token(4, "[SEP]", true)});
        QS_COMPARE_LISTS(extract(t, kLower, "[CLS] My name is Anthony [SEP]"),
                         (Strings{"[CLS]=3", " my =0", "name=1", " is anthony ", "[SEP]=4"}));
    }
    void singleWord() { // [HF]
        const json t = json::array({token(0, "<mask>", false, {{"single_word", true}})});
        QS_COMPARE_LISTS(extract(t, kLower, "<mask> My name <mask> A<mask> <mask>ony <mask>"),
                         (Strings{"<mask>=0", " my name ", "<mask>=0", " a<mask> <mask>ony ", "<mask>=0"}));
        QS_COMPARE_LISTS(extract(t, kLower, "<mask>, <mask>- ◌̰<mask>"),
                         (Strings{"<mask>=0", ", ", "<mask>=0", "- ◌̰<mask>"}));
    }
    void strippingOtherSpaces() { // [HF]
        const json t = json::array(
            {token(0, "<mask>", false, {{"single_word", true}, {"lstrip", true}, {"rstrip", true}})});
        QS_COMPARE_LISTS(extract(t, kLower, "Hi <mask> there\t<mask>\t<mask>\u2000"),
                         (Strings{"hi", " <mask> =0", "there", "\t<mask>\t=0", "<mask>\u2000=0"}));
    }
    void leftmostLongest() {
        const json t = json::array(
            {token(0, "<a>", true), token(1, "<a>b", true), token(2, "a>b", true), token(3, "bc", true)});
        QS_COMPARE_LISTS(extract(t, nullptr, "x<a>bc<a>"), (Strings{"x", "<a>b=1", "c", "<a>=0"}));
        QS_COMPARE_LISTS(extract(t, nullptr, "<a<a>"), (Strings{"<a", "<a>=0"}));
    }
    void normalizedSpelling() {
        // With "▁" put in front a token is found at the start of a stretch only: a known trait of the
        // reference.
        const json prepend = {{"type", "Prepend"}, {"prepend", "▁"}};
        const json t = json::array({token(5, "new", false), token(6, "<s>", true)});
        QS_COMPARE_LISTS(extract(t, prepend, "new<s>a new"), (Strings{"▁new=5", "<s>=6", "▁a new"}));
    }
    void startIsKnown() {
        const text::Vocabulary none;
        const auto added =
            text::AddedTokens::parse(json::array({token(0, "<s>", true)}), none, nullptr, "added_tokens");
        QS_VERIFY_OK(added);
        const auto cut = added->extract("ab<s>cd", nullptr);
        QS_VERIFY_OK(cut);
        QVERIFY(cut->pieces[0].atStart && !cut->pieces[2].atStart);
        const auto other = added->extract("<s>cd", nullptr);
        QS_VERIFY_OK(other);
        QVERIFY(!other->pieces[1].atStart);
    }
    void damaged() {
        const auto parse = [](const json& list) {
            text::Vocabulary v;
            (void)v.add("a", 0, "");
            (void)v.add("b", 1, "");
            return text::AddedTokens::parse(list, v, nullptr, "tokenizer.json: added_tokens");
        };
        QS_VERIFY_ERROR(parse(json::array({token(1, "x", true)})), ErrorCode::Corrupt,
                        "which the model gives to 'b'");
        QS_VERIFY_ERROR(parse(json::array({token(7, "x", true), token(7, "y", true)})), ErrorCode::Corrupt,
                        "both have id 7");
        QS_VERIFY_ERROR(parse(json::array({token(7, "x", true), token(8, "x", true)})), ErrorCode::Corrupt,
                        "two ids");
        QS_VERIFY_ERROR(parse(json::array({token(-1, "x", true)})), ErrorCode::Corrupt, "'id'");
        QS_VERIFY_ERROR(parse(json::array({{{"id", 3}}})), ErrorCode::Corrupt,
                        "added_tokens[0]: 'content' is missing");
        QS_VERIFY_ERROR(parse(json::array({token(3, std::string(2000, 'x').c_str(), true)})),
                        ErrorCode::Unsupported, "2000");
        QS_VERIFY_ERROR(parse(json::array({token(3, "x", true, {{"lstrip", "yes"}})})), ErrorCode::Corrupt,
                        "lstrip");
        QS_VERIFY_ERROR(parse(json("x")), ErrorCode::Corrupt, "must be an array");
        // A content that the model knows takes the model's id, whatever the file says.
        const auto known = parse(json::array({token(9, "b", true)}));
        QS_VERIFY_OK(known);
        QCOMPARE(known->find("b")->id, 1);
    }
};

QS_TEST(AddedTokensTest)
#include "tst_added_tokens.moc"
