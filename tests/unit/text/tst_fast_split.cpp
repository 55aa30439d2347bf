// SPDX-License-Identifier: Apache-2.0
// The hand-written splitters against Oniguruma on random texts, and splits worked out by hand from the
// expressions.
#include "core/text/fast_split.h"
#include "core/text/unicode.h"
#include "core/text/word_patterns.h"
#include "tests/unit/text/text_fixtures.h"

#include <random>

using namespace qs;
using namespace qs::test;
using text::kGpt2Pattern;
using text::kLlama3Pattern;
using text::kQwen2Pattern;

namespace {

Strings cut(const char* expression, const std::string& text) {
    std::vector<text::Stretch> found;
    const auto splitter = text::FastSplitter::of(expression);
    if (!splitter) return {"not known"};
    splitter->split(text, found);
    Strings out;
    for (const auto& s : found)
        out.push_back(text.substr(s.begin, s.end - s.begin));
    return out;
}

// Characters that decide between alternatives, and any others.
std::string randomText(std::mt19937& random) {
    static const std::u32string kTelling =
        U"    \t\n\r'''sStTmMdDrReEvVlLaA09\u017F\u00E9\u65E5\u0661\u00B2\u216B!?-_\"\u2019"
        U"\u00A0\u2003\u2028\u0085\u180E\u200B\u200D\u0301\u0489\U0001F642\u001C\u3000"
        U"\u02BC\u0149\uFB06\u1E9E\u00DF\u2160\u24B6";
    std::string out;
    const size_t length = random() % 24;
    for (size_t i = 0; i < length; ++i) {
        char32_t c = kTelling[random() % kTelling.size()];
        if (random() % 12 == 0) c = random() % 0x110000;
        text::appendUtf8(out, c);
        for (size_t again = random() % 6 == 0 ? random() % 4 : 0; again > 0; --again)
            text::appendUtf8(out, c);
    }
    return out;
}

} // namespace

class FastSplitTest : public QObject {
    Q_OBJECT
private slots:
    void equalsOniguruma_data() {
        QTest::addColumn<QString>("expression");
        QTest::newRow("gpt-2") << QString(kGpt2Pattern);
        QTest::newRow("llama-3") << QString(kLlama3Pattern);
        QTest::newRow("qwen2") << QString(kQwen2Pattern);
    }
    void equalsOniguruma() {
        QFETCH(QString, expression);
        const std::string known = expression.toStdString();
        const auto fast = text::FastSplitter::of(known);
        QVERIFY(fast);
        const auto slow = text::Pattern::regex("(?:" + known + ")", "test"); // not known by this spelling
        QS_VERIFY_OK(slow);
        QVERIFY(!text::FastSplitter::of("(?:" + known + ")"));
        std::mt19937 random(20261125);
        std::vector<text::Stretch> a, b;
        for (int i = 0; i < 60000; ++i) {
            const std::string text = randomText(random);
            a.clear();
            b.clear();
            fast->split(text, a);
            QS_VERIFY_OK(slow->findAll(text, b));
            const bool same = std::equal(a.begin(), a.end(), b.begin(), b.end(), [](auto& x, auto& y) {
                return x.begin == y.begin && x.end == y.end && x.isMatch == y.isMatch;
            });
            QVERIFY2(same, QByteArray::fromStdString(text).toHex(' ').constData());
        }
    }
    // Every character alone, before a letter, after a letter and after a space.
    void everyCharacter() {
        for (const char* known : {kGpt2Pattern, kLlama3Pattern}) {
            const auto fast = *text::FastSplitter::of(known);
            const auto slow = *text::Pattern::regex(fmt::format("(?:{})", known), "test");
            std::string text;
            for (char32_t c = 0; c < 0x110000; c += c < 0x3200 ? 1 : 7) {
                text += "x";
                text::appendUtf8(text, c);
                text += " ";
                text::appendUtf8(text, c);
            }
            std::vector<text::Stretch> a, b;
            fast.split(text, a);
            QS_VERIFY_OK(slow.findAll(text, b));
            QCOMPARE(a.size(), b.size());
            for (size_t i = 0; i < a.size(); ++i)
                QVERIFY2(a[i].begin == b[i].begin && a[i].end == b[i].end,
                         QByteArray::fromStdString(text.substr(a[i].begin, 8)).toHex(' ').constData());
        }
    }
    void byHand() {
        QS_COMPARE_LISTS(
            cut(kGpt2Pattern, "I'll see  the 'S 123abc!?\n\n x\n"),
            (Strings{"I", "'ll", " see", " ", " the", " '", "S", " 123", "abc", "!?", "\n\n", " x", "\n"}));
        QS_COMPARE_LISTS(cut(kLlama3Pattern, "I'LL pay $12345!!\r\n\n  x (ok)\t\ty  "),
                         (Strings{"I", "'LL", " pay", " $", "123", "45", "!!\r\n\n", " ", " x", " (", "ok",
                                  ")", "\t", "\ty", "  "}));
        QS_COMPARE_LISTS(cut(kQwen2Pattern, "a12\n \n b"), (Strings{"a", "1", "2", "\n \n", " b"}));
        QS_COMPARE_LISTS(cut(kGpt2Pattern, ""), (Strings{}));
        QCOMPARE(cut(kLlama3Pattern, std::string(1 << 20, ' ')).size(), size_t(1));
    }
};

QS_TEST(FastSplitTest)
#include "tst_fast_split.moc"
