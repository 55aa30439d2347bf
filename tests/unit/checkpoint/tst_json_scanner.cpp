// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/json_scanner.h"

#include "core/checkpoint/name_index.h"
#include "tests/support/qs_test.h"

#include <nlohmann/json.hpp>

using namespace qs;

class TestJsonScanner : public QObject {
    Q_OBJECT
private slots:
    void utf8_data() {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<int>("bad"); // -1: none
        QTest::newRow("ascii") << QByteArray("hello, world and more") << -1;
        QTest::newRow("two") << QByteArray("\xC2\x80\xDF\xBF") << -1;
        QTest::newRow("three") << QByteArray("\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80") << -1;
        QTest::newRow("four") << QByteArray("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF") << -1;
        QTest::newRow("overlong two") << QByteArray("abc\xC1\xBF") << 3;
        QTest::newRow("overlong three") << QByteArray("\xE0\x9F\xBF") << 0;
        QTest::newRow("overlong four") << QByteArray("\xF0\x8F\xBF\xBF") << 0;
        QTest::newRow("surrogate") << QByteArray("\xED\xA0\x80") << 0;
        QTest::newRow("above 10FFFF") << QByteArray("\xF4\x90\x80\x80") << 0;
        QTest::newRow("lone continuation") << QByteArray("0123456789\x80") << 10;
        QTest::newRow("cut") << QByteArray("12345678\xE2\x82") << 8;
        QTest::newRow("FF") << QByteArray("\xFF") << 0;
    }
    void utf8() {
        QFETCH(QByteArray, text);
        QFETCH(int, bad);
        QCOMPARE(int(findBadUtf8({text.constData(), size_t(text.size())})), bad);
    }

    // RFC 8259's grammar; the second opinion is nlohmann's parser.
    void values_data() {
        QTest::addColumn<bool>("good");
        for (const char* text : {"1", "-0", "0.5", "1e5", "1E-5", "-12.5e+3", "true", "false", "null", "\"\"",
                                 "[]", "{}", "[1,[2],{}]", "{\"a\":{\"b\":[1,2]},\"c\":\"d\"}", " [ 1 , 2 ] ",
                                 "\"\\u00e9\\n\\\"\\/\"", "\"\\ud83d\\ude00\""})
            QTest::newRow(text) << true;
        for (const char* text :
             {"",         "01",      "1.",          ".5",          "+1",          "-",
              "1e",       "1e+",     "tru",         "nulll",       "[1,]",        "{\"a\":1,}",
              "{a:1}",    "{\"a\"}", "[1 2]",       "[",           "{",           "{\"a\":",
              "\"",       "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
              "\"a\nb\"", "\"\\",    "\"\\u12",     "[1]]",        "// x\n1",     "NaN",
              "Infinity", "'a'"})
            QTest::newRow(text) << false;
    }
    void values() {
        QFETCH(bool, good);
        const std::string text = QTest::currentDataTag();
        JsonScanner scan(text);
        QCOMPARE(scan.skipValue(10) && scan.atEnd(), good);
        QCOMPARE(nlohmann::json::accept(text), good);
        if (!good && scan.failed()) QVERIFY(scan.error("f").describe().find("f: ") == 0);
    }

    void depthIsCapped() {
        const auto nested = [](int n) { return std::string(size_t(n), '[') + std::string(size_t(n), ']'); };
        const std::string four = nested(4), five = nested(5), many = std::string(5'000'000, '[');
        QVERIFY(JsonScanner(four).skipValue(4));
        QVERIFY(!JsonScanner(five).skipValue(4));
        QVERIFY(!JsonScanner(many).skipValue(64));
    }

    void strings() {
        const std::string text = "\"plain\" \"\\u00e9\\t\\ud83d\\ude00\" \"\\u0000x\"";
        JsonScanner scan(text);
        std::string_view s;
        QVERIFY(scan.readString(s));
        QCOMPARE(std::string(s), std::string("plain"));
        QVERIFY(scan.readString(s));
        QCOMPARE(std::string(s), std::string("\xC3\xA9\t\xF0\x9F\x98\x80"));
        QVERIFY(scan.readString(s));
        QCOMPARE(s.size(), size_t(2));
        QVERIFY(!scan.readString(s));
        QVERIFY(scan.problem().find("the end of the text") != std::string::npos);
    }

    void unsignedIntegers() {
        uint64_t v = 0;
        for (const auto& [text, value] : {std::pair<const char*, uint64_t>("0", 0),
                                          {"42", 42},
                                          {" 7 ", 7},
                                          {"9223372036854775808", uint64_t(1) << 63}}) {
            QVERIFY2(JsonScanner(text).readUnsigned(v), text);
            QCOMPARE(v, value);
        }
        for (const char* text : {"-1", "1.0", "1e3", "01", "9223372036854775809", "18446744073709551616",
                                 "99999999999999999999999999", "", "x", "\"1\"", "+1"})
            QVERIFY2(!JsonScanner(text).readUnsigned(v), text);
    }

    void quoting() {
        const std::string text = "a\"b\\c\n\x01 \xC3\xA9";
        QCOMPARE(quoteJson(text), std::string("\"a\\\"b\\\\c\\u000a\\u0001 \xC3\xA9\""));
        QCOMPARE(nlohmann::json::parse(quoteJson(text)).get<std::string>(), text);
    }

    void nameIndex() {
        const NameIndex index({"b", "a", "", "c", "a"});
        QCOMPARE(index.find("b"), size_t(0));
        QCOMPARE(index.find("a"), size_t(1)); // the first of two
        QCOMPARE(index.find(""), size_t(2));
        QCOMPARE(index.find("d"), NameIndex::npos);
        QCOMPARE(index.duplicate(), std::pair(size_t(1), size_t(4)));
        const NameIndex unique({"x", "y"});
        QCOMPARE(unique.duplicate().second, NameIndex::npos);
        QCOMPARE(NameIndex().find("x"), NameIndex::npos);
    }
};

QS_TEST(TestJsonScanner)
#include "tst_json_scanner.moc"
