// SPDX-License-Identifier: Apache-2.0
// Expected cuts marked [HF] are those of the unit tests in huggingface/tokenizers (Apache-2.0),
// tokenizers/src/pre_tokenizers/*.rs.
#include "core/text/pre_tokenizer.h"
#include "tests/unit/text/text_fixtures.h"

#include <ctime>

using namespace qs;
using namespace qs::test;

namespace {

// The Llama-3 and Qwen2 patterns as published in their tokenizer.json.
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

json split(const json& pattern, const char* behavior, bool invert = false) {
    return {{"type", "Split"}, {"pattern", pattern}, {"behavior", behavior}, {"invert", invert}};
}

Result<Strings> preTokenize(const json& j, const std::string& text) {
    QS_TRY(const auto p, text::parsePreTokenizer(j, "pre_tokenizer"));
    text::PreTokens t;
    t.text = text;
    t.limit = text::growthLimit(text.size());
    if (!text.empty()) t.pieces.push_back({0, text.size(), -1, true});
    QS_CHECK(p->apply(t));
    Strings out;
    for (const auto& piece : t.pieces)
        out.emplace_back(t.view(piece));
    return out;
}

Strings cut(const json& j, const std::string& text) {
    auto r = preTokenize(j, text);
    return r ? *r : Strings{"error: " + r.error().describe()};
}

json byteLevel(bool prefix, bool regex = true) {
    return {
        {"type", "ByteLevel"}, {"add_prefix_space", prefix}, {"trim_offsets", true}, {"use_regex", regex}};
}
json metaspace(const char* scheme, bool split = true) {
    return {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", scheme}, {"split", split}};
}

} // namespace

class PreTokenizerTest : public QObject {
    Q_OBJECT
private slots:
    void byteLevelCuts() { // [HF]
        QS_COMPARE_LISTS(
            cut(byteLevel(false), "Hello my friend, how is your day going?"),
            (Strings{"Hello", "Ġmy", "Ġfriend", ",", "Ġhow", "Ġis", "Ġyour", "Ġday", "Ġgoing", "?"}));
        QS_COMPARE_LISTS(cut(byteLevel(true, false), "Hello my friend"), (Strings{"ĠHelloĠmyĠfriend"}));
        QS_COMPARE_LISTS(cut(byteLevel(true), " Hello"), (Strings{"ĠHello"}));
        QS_COMPARE_LISTS(cut(byteLevel(false), "Hello there\nHello there"),
                         (Strings{"Hello", "Ġthere", "Ċ", "Hello", "Ġthere"}));
        QS_COMPARE_LISTS(cut(byteLevel(false), "Hello there       dear"),
                         (Strings{"Hello", "Ġthere", "ĠĠĠĠĠĠ", "Ġdear"}));
        QS_COMPARE_LISTS(cut(byteLevel(false), "i⭢j"), (Strings{"i", "âŃ¢", "j"}));
        QS_COMPARE_LISTS(cut(byteLevel(true), ""), (Strings{}));
    }
    void gpt2Contractions() {
        // By hand from the pattern: only lower-case contractions; digits and letters apart; trailing space
        // stays alone.
        QS_COMPARE_LISTS(cut(byteLevel(false), "we'll I'LL a1 b "),
                         (Strings{"we", "'ll", "ĠI", "'", "LL", "Ġa", "1", "Ġb", "Ġ"}));
    }
    void llama3Cuts() {
        const json j = {
            {"type", "Sequence"},
            {"pretokenizers", {split({{"Regex", kLlama3}}, "Isolated"), byteLevel(false, false)}}};
        // By hand: contractions in any case; at most three digits; one leading non-letter joins a word; line
        // ends follow punctuation; the look-ahead leaves one space to the next word.
        QS_COMPARE_LISTS(
            cut(j, "I'LL say12345 (now)\r\n\n  yes  2"),
            (Strings{"I", "'LL", "Ġsay", "123", "45", "Ġ(", "now", ")čĊĊ", "Ġ", "Ġyes", "Ġ", "Ġ", "2"}));
        QS_COMPARE_LISTS(cut(j, "\tif x:\n\n    y"), (Strings{"ĉif", "Ġx", ":ĊĊ", "ĠĠĠ", "Ġy"}));
        QS_COMPARE_LISTS(cut(j, " \n \n x"), (Strings{"ĠĊĠĊ", "Ġx"}));
    }
    void splitBehaviors() { // [HF]
        const json words = {{"Regex", R"(\w+|[^\w\s]+)"}};
        const std::string s = "How are you doing?";
        QS_COMPARE_LISTS(cut(split(words, "Removed", true), s), (Strings{"How", "are", "you", "doing", "?"}));
        QS_COMPARE_LISTS(cut(split(words, "Isolated", true), s),
                         (Strings{"How", " ", "are", " ", "you", " ", "doing", "?"}));
        QS_COMPARE_LISTS(cut(split(words, "MergedWithPrevious", true), s),
                         (Strings{"How ", "are ", "you ", "doing", "?"}));
        QS_COMPARE_LISTS(cut(split(words, "MergedWithNext", true), s),
                         (Strings{"How", " are", " you", " doing", "?"}));
        QS_COMPARE_LISTS(cut(split(words, "Contiguous", true), s),
                         (Strings{"How", " ", "are", " ", "you", " ", "doing?"}));
        const json dash = {{"String", "-"}};
        const std::string d = "The-final--countdown";
        QS_COMPARE_LISTS(cut(split(dash, "Removed"), d), (Strings{"The", "final", "countdown"}));
        QS_COMPARE_LISTS(cut(split(dash, "Isolated"), d),
                         (Strings{"The", "-", "final", "-", "-", "countdown"}));
        QS_COMPARE_LISTS(cut(split(dash, "MergedWithPrevious"), d),
                         (Strings{"The-", "final-", "-", "countdown"}));
        QS_COMPARE_LISTS(cut(split(dash, "MergedWithNext"), d),
                         (Strings{"The", "-final", "-", "-countdown"}));
        QS_COMPARE_LISTS(cut(split(dash, "Contiguous"), d),
                         (Strings{"The", "-", "final", "--", "countdown"}));
        QS_COMPARE_LISTS(cut(split({{"String", "Hello"}}, "Removed", true), "Hello Hello Hello"),
                         (Strings{"Hello", "Hello", "Hello"}));
    }
    void emptyMatchesAdvance() {
        // x* matches nothing before every other character: pieces are cut there, none is lost, and the search
        // ends.
        QS_COMPARE_LISTS(cut(split({{"Regex", "x*"}}, "Isolated"), "axxé"), (Strings{"a", "xx", "é"}));
        QS_COMPARE_LISTS(cut(split({{"String", ""}}, "Isolated"), "ab"), (Strings{"a", "b"}));
    }
    void metaspaceCuts() { // [HF]
        QS_COMPARE_LISTS(cut(metaspace("always"), "Hey friend!"), (Strings{"▁Hey", "▁friend!"}));
        QS_COMPARE_LISTS(cut(metaspace("always"), "Hey   friend!"), (Strings{"▁Hey", "▁", "▁", "▁friend!"}));
        QS_COMPARE_LISTS(cut(metaspace("never"), "Hey you"), (Strings{"Hey", "▁you"}));
        QS_COMPARE_LISTS(cut(metaspace("always", false), "Hey you"), (Strings{"▁Hey▁you"}));
        const json tags = split({{"Regex", "(<s>)"}}, "Isolated");
        const json first = {{"type", "Sequence"}, {"pretokenizers", {tags, metaspace("first", false)}}};
        QS_COMPARE_LISTS(cut(first, "Hey my friend <s>how▁are you"),
                         (Strings{"▁Hey▁my▁friend▁", "<s>", "how▁are▁you"}));
        QS_COMPARE_LISTS(cut(first, " Hey <s>how <s>are <s> you"),
                         (Strings{"▁Hey▁", "<s>", "how▁", "<s>", "are▁", "<s>", "▁you"}));
        // Files from before prepend_scheme.
        const json old = {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"add_prefix_space", false}};
        QS_COMPARE_LISTS(cut(old, "Hey you"), (Strings{"Hey", "▁you"}));
    }
    void charactersAndWords() { // [HF]
        const auto type = [](const char* name) { return json{{"type", name}}; };
        QS_COMPARE_LISTS(cut({{"type", "Digits"}, {"individual_digits", false}}, "Hey 123 friend!"),
                         (Strings{"Hey ", "123", " friend!"}));
        QS_COMPARE_LISTS(cut({{"type", "Digits"}, {"individual_digits", true}}, "Hey 123 friend!"),
                         (Strings{"Hey ", "1", "2", "3", " friend!"}));
        QS_COMPARE_LISTS(cut(type("Punctuation"), "Hey friend!     How are you?!?"),
                         (Strings{"Hey friend", "!", "     How are you", "?", "!", "?"}));
        QS_COMPARE_LISTS(cut(type("Whitespace"), "How are you doing?"),
                         (Strings{"How", "are", "you", "doing", "?"}));
        QS_COMPARE_LISTS(cut(type("Whitespace"), "\n"), (Strings{}));
        QS_COMPARE_LISTS(cut(type("WhitespaceSplit"), "Hey, man, Good?"), (Strings{"Hey,", "man,", "Good?"}));
        QS_COMPARE_LISTS(cut({{"type", "CharDelimiterSplit"}, {"delimiter", "-"}}, "a--b-c"),
                         (Strings{"a", "b", "c"}));
        QS_COMPARE_LISTS(
            cut({{"type", "Sequence"}, {"pretokenizers", {type("WhitespaceSplit"), type("Punctuation")}}},
                "Hey friend!     How are you?!?"),
            (Strings{"Hey", "friend", "!", "How", "are", "you", "?", "!", "?"}));
    }
    void unsupportedAndBroken() {
        const auto parse = [](const json& j) {
            return text::parsePreTokenizer(j, "tokenizer.json: pre_tokenizer");
        };
        QS_VERIFY_ERROR(parse({{"type", "Upwards"}}), ErrorCode::Unsupported, "Upwards");
        QS_VERIFY_ERROR(parse(split({{"Regex", "(unclosed"}}, "Isolated")), ErrorCode::Unsupported,
                        "(unclosed");
        QS_VERIFY_ERROR(parse(split({{"Regex", "a"}}, "Sideways")), ErrorCode::Unsupported, "Sideways");
        QS_VERIFY_ERROR(parse(split(7, "Isolated")), ErrorCode::Corrupt, "pre_tokenizer.pattern");
        QS_VERIFY_ERROR(parse({{"type", "Metaspace"}, {"replacement", "ab"}}), ErrorCode::Corrupt, "'ab'");
        QS_VERIFY_ERROR(parse({{"type", "ByteLevel"}, {"use_regex", "yes"}}), ErrorCode::Corrupt,
                        "use_regex");
        QS_VERIFY_ERROR(parse(json::array()), ErrorCode::Corrupt, "must be an object");
        QS_VERIFY_ERROR(parse(json::object()), ErrorCode::Corrupt, "'type' is missing");
        json nested = {{"type", "WhitespaceSplit"}};
        for (int i = 0; i < 40; ++i)
            nested = {{"type", "Sequence"}, {"pretokenizers", json::array({nested})}};
        QS_VERIFY_ERROR(parse(nested), ErrorCode::Unsupported, "nest deeper");
    }
    void hostilePatternsEnd() {
        // Exponential backtracking stops at the step limit, quickly and with an error.
        const auto r =
            preTokenize(split({{"Regex", "^(a|a)+(a|a)+$"}}, "Isolated"), std::string(60, 'a') + "b");
        QS_VERIFY_ERROR(r, ErrorCode::Unsupported, "gave up");
        // \K in a look-ahead starts a match after its end.
        const auto k = preTokenize(split({{"Regex", R"((?=ab\K)a)"}}, "Isolated"), "abab");
        if (!k) QVERIFY(k.error().code == ErrorCode::Unsupported);
        // A chain of byte-level steps doubles the text each time.
        json chain = {{"type", "Sequence"}, {"pretokenizers", json::array()}};
        for (int i = 0; i < 200; ++i)
            chain["pretokenizers"].push_back(byteLevel(false, false));
        QS_VERIFY_ERROR(preTokenize(chain, std::string(1000, '\n')), ErrorCode::Unsupported, "grows");
    }
    void longRunsAreLinear() {
        const json j = split({{"Regex", kLlama3}}, "Isolated");
        for (const char c : {' ', 'a', '\n', '1', '<'}) {
            const std::clock_t begin = std::clock();
            QVERIFY(preTokenize(j, std::string(1'000'000, c)).has_value());
            const double seconds = double(std::clock() - begin) / CLOCKS_PER_SEC;
            QVERIFY2(seconds < 20, qPrintable(QString("%1 s").arg(seconds))); // hours if it were quadratic
        }
    }
};

QS_TEST(PreTokenizerTest)
#include "tst_pre_tokenizer.moc"
