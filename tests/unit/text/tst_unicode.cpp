// SPDX-License-Identifier: Apache-2.0
#include "core/text/byte_alphabet.h"
#include "core/text/display.h"
#include "core/text/unicode.h"
#include "tests/support/qs_test.h"

#include <ctime>

using namespace qs::text;

class UnicodeTest : public QObject {
    Q_OBJECT
private slots:
    void badUtf8() {
        // Unicode 15, section 3.9, table 3-8: 61 F1 80 80 E1 80 C2 62 80 63 80 BF 64 -> a, 3 marks, b, 1, c,
        // 2, d.
        const std::string table = "\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64";
        const std::string r = "\xEF\xBF\xBD";
        QCOMPARE(replaceBadUtf8(table, BadUtf8::PerSubpart), "a" + r + r + r + "b" + r + "c" + r + r + "d");
        QCOMPARE(replaceBadUtf8("\xE2\x82", BadUtf8::PerSubpart), r);
        QCOMPARE(replaceBadUtf8("\xE2\x82", BadUtf8::PerByte), r + r);
        // Surrogates, overlong forms and values above U+10FFFF are malformed from their second byte on.
        QCOMPARE(replaceBadUtf8("\xED\xA0\x80", BadUtf8::PerSubpart), r + r + r);
        QCOMPARE(replaceBadUtf8("\xC0\xAF", BadUtf8::PerSubpart), r + r);
        QCOMPARE(replaceBadUtf8("\xF4\x90\x80\x80", BadUtf8::PerSubpart), r + r + r + r);
        QVERIFY(isValidUtf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x99\x82"));
        QVERIFY(!isValidUtf8("\xF0\x9F\x99"));
    }
    void roundTripOfEveryCharacter() {
        for (char32_t c = 0; c <= 0x10FFFF; ++c) {
            if (c >= 0xD800 && c < 0xE000) continue;
            std::string s;
            appendUtf8(s, c);
            const Decoded d = decodeUtf8(s, 0);
            if (!d.valid || d.value != c || d.length != s.size()) QFAIL(qPrintable(QString::number(c, 16)));
            if (previousUtf8("x" + s, s.size() + 1) != 1) QFAIL(qPrintable(QString::number(c, 16)));
        }
    }
    void normalForms() {
        // UAX #15, figures 3 to 6.
        const auto nf = [](const char* s, NormalForm f) { return normalizeUnicode(s, f).value(); };
        QCOMPARE(nf("\xE2\x84\xAB", NormalForm::Nfd), std::string("A\xCC\x8A")); // ANGSTROM SIGN
        QCOMPARE(nf("\xE2\x84\xAB", NormalForm::Nfc), std::string("\xC3\x85"));
        QCOMPARE(nf("\xEF\xAC\x81", NormalForm::Nfc), std::string("\xEF\xAC\x81")); // LIGATURE FI
        QCOMPARE(nf("\xEF\xAC\x81", NormalForm::Nfkc), std::string("fi"));
        QCOMPARE(nf("2\xE2\x81\xB5", NormalForm::Nfkd), std::string("25"));
        QCOMPARE(nf("\xE1\xBA\x9B\xCC\xA3", NormalForm::Nfc), std::string("\xE1\xBA\x9B\xCC\xA3"));
        QCOMPARE(nf("\xE1\xBA\x9B\xCC\xA3", NormalForm::Nfkc),
                 std::string("\xE1\xB9\xA9")); // s with dot below and above
        // Canonical order: dot below (220) before acute (230), whatever the input's order.
        QCOMPARE(nf("a\xCC\x81\xCC\xA3", NormalForm::Nfd), std::string("a\xCC\xA3\xCC\x81"));
        QCOMPARE(nf("\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", NormalForm::Nfc),
                 std::string("\xEA\xB0\x81")); // Hangul
        QCOMPARE(nf("plain ASCII", NormalForm::Nfkd), std::string("plain ASCII"));
    }
    void manyMarksAreNotQuadratic() {
        const auto seconds = [](size_t n) {
            std::string s = "a";
            for (size_t i = 0; i < n; ++i)
                s += "\xCC\x81\xCC\x96"; // 230, 220, 230, ...
            const std::clock_t begin = std::clock();
            const auto r = normalizeUnicode(s, NormalForm::Nfd);
            if (!r || r->substr(1, 4) != "\xCC\x96\xCC\x96") return -1.0;
            return double(std::clock() - begin) / CLOCKS_PER_SEC;
        };
        const double small = seconds(20000), large = seconds(320000);
        QVERIFY(small >= 0 && large >= 0);
        // 16 times the text: about 18 times the work; 256 times if it were quadratic.
        QVERIFY2(large < 80 * small + 0.2, qPrintable(QString("%1 s, %2 s").arg(small).arg(large)));
    }
    void classes() {
        for (const char32_t c : {0x20, 0x09, 0x0A, 0x0D, 0x85, 0xA0, 0x1680, 0x2003, 0x2028, 0x202F, 0x3000})
            QVERIFY(isWhitespace(c));
        for (const char32_t c : {0x41, 0x1C, 0x200B, 0x180E, 0xFEFF})
            QVERIFY(!isWhitespace(c));
        QVERIFY(isNumeric(U'5') && isNumeric(U'\u0663') && isNumeric(U'\u00BD') && isNumeric(U'\u2167') &&
                !isNumeric(U'a'));
        QVERIFY(isPunctuation(U'$') && isPunctuation(U'`') && isPunctuation(U'\u2014') &&
                isPunctuation(U'\u3002'));
        QVERIFY(!isPunctuation(U'a') && !isPunctuation(U'\u20AC') && !isPunctuation(U' '));
        QVERIFY(isWordCharacter(U'_') && isWordCharacter(U'7') && isWordCharacter(U'\u00E9') &&
                isWordCharacter(U'\u0330'));
        QVERIFY(isWordCharacter(U'\u200D') && !isWordCharacter(U'-') && !isWordCharacter(U'\u25CC'));
        QVERIFY(isCombiningMark(U'\u0301') && !isCombiningMark(U'e'));
        std::string s;
        for (const char32_t c : {U'A', U'\u00C9', U'\u0130', U'\u03A3', U'\u1E9E', U'1'})
            appendLowercase(s, c);
        QCOMPARE(s, std::string("a\xC3\xA9i\xCC\x87\xCF\x83\xC3\x9F"
                                "1"));
    }
    void alphabet() {
        // Spot values of GPT-2's bytes_to_unicode(): space -> U+0120, newline -> U+010A, 0xAD -> U+0143, 0xFF
        // itself.
        QCOMPARE(uint(byteAlphabet()[' ']), 0x120u);
        QCOMPARE(uint(byteAlphabet()['\n']), 0x10Au);
        QCOMPARE(uint(byteAlphabet()[0xAD]), 0x143u);
        QCOMPARE(uint(byteAlphabet()[0xFF]), 0xFFu);
        QCOMPARE(uint(byteAlphabet()['!']), uint('!'));
        std::string all, spelled, back;
        for (int b = 0; b < 256; ++b)
            all += char(b);
        appendByteLevel(spelled, all);
        QVERIFY(isValidUtf8(spelled));
        QVERIFY(appendBytesOf(back, spelled));
        QCOMPARE(back, all);
        QVERIFY(!appendBytesOf(back, "\xE6\x97\xA5")); // not in the alphabet
        QCOMPARE(back, all);
    }
    void visible() {
        QCOMPARE(visibleText(" a\nb\t\r"), std::string("\xE2\x90\xA3"
                                                       "a\\nb\\t\\r"));
        QCOMPARE(visibleText("\xE2\x82"), std::string("<0xE2><0x82>"));
        QCOMPARE(visibleText(std::string_view("\0\xC3\xA9\xE2\x80\x8B", 6)),
                 std::string("<U+0000>\xC3\xA9<U+200B>"));
    }
};

QS_TEST(UnicodeTest)
#include "tst_unicode.moc"
