// SPDX-License-Identifier: Apache-2.0
#include "core/base/param_spec.h"

#include "tests/support/qs_test.h"

#include <nlohmann/json.hpp>

using namespace qs;
using nlohmann::json;

namespace {

ParamSpecs specs() {
    return {
        ParamSpec::boolean("sym", "Symmetric", true, "h"),
        ParamSpec::integer("group", "Group", 128, 0, 4096, "h", "weights"),
        ParamSpec::real("damp", "Damping", 0.01, 0, 1, "h"),
        ParamSpec::choice("range", "Range", "absmax", {"absmax", "mse"}, "h"),
        ParamSpec::integer("seed", "Seed", 0, 0, std::numeric_limits<long long>::max(), "h").asAdvanced()};
}

} // namespace

class TestParamSpec : public QObject {
    Q_OBJECT
private slots:
    void defaultsAndOverlay() {
        const Params d = Params::defaults(specs());
        QCOMPARE(d.integer("group"), 128ll);
        QCOMPARE(d.real("damp"), 0.01);
        QVERIFY(d.boolean("sym"));
        QCOMPARE(d.choice("range"), std::string("absmax"));
        const auto p = Params::fromJson(specs(), {{"group", 64}, {"damp", 1}, {"range", "mse"}}, "r.json");
        QS_VERIFY_OK(p);
        QCOMPARE(p->integer("group"), 64ll);
        QCOMPARE(p->real("damp"), 1.0);
        QCOMPARE(p->choice("range"), std::string("mse"));
        QVERIFY(p->boolean("sym"));
        QVERIFY(p->has("seed") && !p->has("nothing"));
        QVERIFY(!(*p == d));
    }
    void jsonRoundTrip() {
        const auto p =
            Params::fromJson(specs(), json::parse(R"({"sym":false,"damp":0.1,"seed":9007199254740993})"), "");
        QS_VERIFY_OK(p);
        const auto again = Params::fromJson(specs(), json::parse(p->toJson().dump()), "");
        QS_VERIFY_OK(again);
        QVERIFY(*again == *p);
        QCOMPARE(again->integer("seed"), 9007199254740993ll); // not through a double
        QVERIFY(Params::fromJson(specs(), json(), "").has_value());
    }

    void jsonErrors_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QStringList>("wanted");
        QTest::newRow("unknown key") << R"({"grupo":1})"
                                     << QStringList{"grupo", "sym", "group", "damp", "range"};
        QTest::newRow("not an object") << "[1]" << QStringList{"object", "[1]"};
        QTest::newRow("bool from int") << R"({"sym":1})" << QStringList{"sym", "true or false", "1"};
        QTest::newRow("int from float") << R"({"group":1.5})" << QStringList{"group", "integer", "1.5"};
        QTest::newRow("int too large") << R"({"group":4097})" << QStringList{"group", "0", "4096", "4097"};
        QTest::newRow("int negative") << R"({"group":-1})" << QStringList{"group", "-1"};
        QTest::newRow("int 2^63") << R"({"seed":9223372036854775808})" << QStringList{"seed"};
        QTest::newRow("int 2^64 - 1") << R"({"seed":18446744073709551615})" << QStringList{"seed"};
        QTest::newRow("float from text") << R"({"damp":"x"})" << QStringList{"damp", "number", "x"};
        QTest::newRow("float out of range") << R"({"damp":1.5})" << QStringList{"damp", "0", "1", "1.5"};
        QTest::newRow("choice unknown")
            << R"({"range":"best"})" << QStringList{"range", "absmax, mse", "best"};
        QTest::newRow("choice from null") << R"({"range":null})" << QStringList{"range", "string", "null"};
    }
    void jsonErrors() {
        QFETCH(QString, text);
        QFETCH(QStringList, wanted);
        const auto p = Params::fromJson(specs(), json::parse(text.toStdString()), "r.json: rule 2");
        QVERIFY(!p);
        QCOMPARE(p.error().code, ErrorCode::InvalidArgument);
        const QString message = QString::fromStdString(p.error().describe());
        QVERIFY2(message.startsWith("r.json: rule 2: "), qPrintable(message));
        for (const QString& w : wanted)
            QVERIFY2(message.contains(w), qPrintable(w + " not in: " + message));
    }

    void largestIntegerIsAccepted() {
        const auto p = Params::fromJson(specs(), json::parse(R"({"seed":9223372036854775807})"), "");
        QS_VERIFY_OK(p);
        QCOMPARE(p->integer("seed"), std::numeric_limits<long long>::max());
    }

    void commandLineText() {
        const ParamSpecs all = specs();
        for (const char* yes : {"true", "1", "yes", "on"})
            QCOMPARE(std::get<bool>(*parseParamText(all[0], yes, "")), true);
        for (const char* no : {"false", "0", "no", "off"})
            QCOMPARE(std::get<bool>(*parseParamText(all[0], no, "")), false);
        QCOMPARE(std::get<long long>(*parseParamText(all[1], "32", "")), 32ll);
        QCOMPARE(std::get<double>(*parseParamText(all[2], "1e-2", "")), 0.01);
        QCOMPARE(std::get<std::string>(*parseParamText(all[3], "mse", "")), std::string("mse"));
        for (const auto& [spec, text] : {std::pair(0, "maybe"),
                                         {1, "32x"},
                                         {1, ""},
                                         {1, "3.0"},
                                         {1, "99999999999999999999"},
                                         {2, "nan"},
                                         {2, "inf"},
                                         {2, "-0.1"},
                                         {2, "0.1 "},
                                         {3, "MSE"}}) {
            const auto bad = parseParamText(all[size_t(spec)], text, "--" + all[size_t(spec)].key);
            QVERIFY2(!bad, text);
            QVERIFY(bad.error().describe().find("--" + all[size_t(spec)].key) == 0);
            QVERIFY(bad.error().message.find(all[size_t(spec)].key) != std::string::npos);
        }
    }

    void description() {
        const json group = describeParam(specs()[1]);
        QCOMPARE(group["type"].get<std::string>(), std::string("int"));
        QCOMPARE(group["default"].get<int>(), 128);
        QCOMPARE(group["maximum"].get<double>(), 4096.0);
        QCOMPARE(group["unit"].get<std::string>(), std::string("weights"));
        const json range = describeParam(specs()[3]);
        QCOMPARE(range["choices"], json({"absmax", "mse"}));
        QVERIFY(!range.contains("minimum"));
    }
};

QS_TEST(TestParamSpec)
#include "tst_param_spec.moc"
