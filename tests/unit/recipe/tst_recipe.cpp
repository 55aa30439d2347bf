// SPDX-License-Identifier: Apache-2.0
#include "core/recipe/recipe.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

class RecipeTest : public QObject {
    Q_OBJECT
    std::shared_ptr<const Model> m_model;

    static Recipe parse(const json& j) {
        auto r = Recipe::fromJson(j, "recipe.json");
        if (!r) qFatal("%s", r.error().describe().c_str());
        return *r;
    }
    static json int4(int bits, int group) {
        return {{"codec", "int"}, {"codec_params", {{"bits", bits}, {"group", group}}}, {"method", "rtn"}};
    }
private slots:
    void initTestCase() {
        const auto dir = scratchDir("recipe-model");
        SmallModelShape shape;
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        m_model = *openModel(dir);
        QVERIFY2(m_model->hasForward(), m_model->noForwardReason().c_str());
    }
    void globs_data() {
        QTest::addColumn<QString>("pattern");
        QTest::addColumn<QString>("text");
        QTest::addColumn<bool>("matches");
        QTest::newRow("all") << "*"
                             << "layers.0.mlp.up_proj" << true;
        QTest::newRow("middle") << "layers.*.down_proj"
                                << "layers.11.mlp.down_proj" << true;
        QTest::newRow("anchored end") << "layers.*.down"
                                      << "layers.1.mlp.down_proj" << false;
        QTest::newRow("anchored start") << "mlp.*"
                                        << "layers.1.mlp.down_proj" << false;
        QTest::newRow("one character") << "layers.?.mlp.*"
                                       << "layers.7.mlp.x" << true;
        QTest::newRow("one is not two") << "layers.?.mlp.*"
                                        << "layers.17.mlp.x" << false;
        QTest::newRow("backtracks") << "*a*ab"
                                    << "aaaabab" << true;
        QTest::newRow("empty text") << "*"
                                    << "" << true;
        QTest::newRow("empty pattern") << ""
                                       << "a" << false;
        QTest::newRow("dots are dots") << "a.b"
                                       << "axb" << false;
    }
    void globs() {
        QFETCH(QString, pattern);
        QFETCH(QString, text);
        QFETCH(bool, matches);
        QCOMPARE(globMatches(pattern.toStdString(), text.toStdString()), matches);
    }
    void firstRuleWinsAndBytesAreExact() {
        const Recipe r = parse({{"version", 1},
                                {"rules",
                                 {{{"match", "layers.0.mlp.down_proj"}, {"scheme", nullptr}},
                                  {{"match", "*.mlp.*"}, {"scheme", int4(3, 32)}},
                                  {{"match", "*"}, {"scheme", int4(4, 16)}}}}});
        const Plan p = resolvePlan(r, *m_model);
        QVERIFY(!p.hasErrors());
        QCOMPARE(p.ruleMatches, (std::vector<size_t>{1, 5, 8}));
        QCOMPARE(p.entries.size(), size_t(14));
        uint64_t after = p.totalBytesBefore;
        for (const PlanEntry& e : p.entries) {
            QCOMPARE(e.bytesBefore, uint64_t(e.target.rows * e.target.cols * 4));
            if (e.target.module == "layers.0.mlp.down_proj") {
                QVERIFY(!e.scheme);
                QCOMPARE(e.bytesAfter, e.bytesBefore);
            }
            // gate [64, 32]: 2048 weights of 3 bits = 768 bytes, 64 groups: 128 bytes of f16 scales, 64 * 3
            // bits = 24 bytes of zeros
            if (e.target.module == "layers.1.mlp.gate_proj") QCOMPARE(e.bytesAfter, uint64_t(768 + 128 + 24));
            // q [32, 32] 4 bits g16: 512 + 64 groups * 2 + 64 * 4 bits = 32
            if (e.target.module == "layers.1.self_attn.q_proj")
                QCOMPARE(e.bytesAfter, uint64_t(512 + 128 + 32));
            after = after - e.bytesBefore + e.bytesAfter;
        }
        QCOMPARE(p.totalBytesAfter, after);
    }
    void unmatchedAndShadowedRulesAreErrors() {
        const Recipe r = parse({{"version", 1},
                                {"rules",
                                 {{{"match", "*"}, {"scheme", int4(4, 16)}},
                                  {{"match", "*.mlp.*"}, {"scheme", nullptr}},
                                  {{"match", "mlp.dwon"}, {"scheme", nullptr}}}}});
        const Plan p = resolvePlan(r, *m_model);
        QVERIFY(p.hasErrors());
        QCOMPARE(p.issues.size(), size_t(2));
        QVERIFY(p.issues[0].message.find("earlier rules") != std::string::npos);
        QVERIFY(p.issues[1].message.find("mlp.dwon") != std::string::npos);
    }
    // Formats that fit several groups together have their own search, and none for the other rules.
    void rangesOfSuperBlocks() {
        Scheme s = *Scheme::make("mx", "rtn");
        for (const char* range : {"minmax", "mse", "percentile", "kl"}) {
            s.methodParams = *Params::fromJson((*findMethod("rtn"))->params, json{{"range", range}}, "test");
            const Plan p = resolvePlan(Recipe::uniform(s), *m_model);
            const bool refused = std::any_of(p.issues.begin(), p.issues.end(), [&](const LintIssue& i) {
                return i.rule == "range" &&
                       i.message.find("instead of " + std::string(range)) != std::string::npos;
            });
            QCOMPARE(refused, range[0] == 'p' || range[0] == 'k');
        }
    }
    void groupThatDoesNotDivide() {
        const Plan p = resolvePlan(Recipe::uniform(*Scheme::make("int", "rtn")),
                                   *m_model); // group 128, rows of 32 and 64
        QVERIFY(p.hasErrors());
        QCOMPARE(p.issues[0].rule, std::string("group-divides-row"));
        QVERIFY(p.issues[0].message.find("32") != std::string::npos &&
                p.issues[0].message.find("128") != std::string::npos);
    }
    void fusedGroupWarning() {
        const Recipe r = parse({{"version", 1},
                                {"rules",
                                 {{{"match", "layers.0.self_attn.q_proj"}, {"scheme", int4(8, 16)}},
                                  {{"match", "*"}, {"scheme", int4(4, 16)}}}}});
        const Plan p = resolvePlan(r, *m_model);
        QVERIFY(!p.hasErrors());
        QCOMPARE(p.issues.size(), size_t(1));
        QCOMPARE(p.issues[0].where, std::string("layers.0.qkv"));
    }
    void roundTrip() {
        const auto dir = scratchDir("recipe-io");
        Recipe r = parse(
            {{"version", 1},
             {"name", "mix"},
             {"seed", 17},
             {"rules",
              {{{"match", "*.q_proj"}, {"scheme", nullptr}}, {{"match", "*"}, {"scheme", int4(5, 16)}}}}});
        QS_VERIFY_OK(r.save(dir / "r.json"));
        const auto again = Recipe::load(dir / "r.json");
        QS_VERIFY_OK(again);
        QVERIFY(*again == r);
        QCOMPARE(resolvePlan(*again, *m_model).fingerprint(), resolvePlan(r, *m_model).fingerprint());
        r.seed = 18;
        QVERIFY(resolvePlan(*again, *m_model).fingerprint() != resolvePlan(r, *m_model).fingerprint());
    }
    void badRecipes_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("word");
        QTest::newRow("no version") << R"({"rules":[]})"
                                    << "version";
        QTest::newRow("future") << R"({"version":2,"rules":[]})"
                                << "version";
        QTest::newRow("unknown key") << R"({"version":1,"rules":[],"rule":1})"
                                     << "'rule'";
        QTest::newRow("no rules") << R"({"version":1})"
                                  << "rules";
        QTest::newRow("rule without scheme") << R"({"version":1,"rules":[{"match":"*"}]})"
                                             << "rules[0]";
        QTest::newRow("empty match") << R"({"version":1,"rules":[{"match":"","scheme":null}]})"
                                     << "match";
        QTest::newRow("unknown method")
            << R"({"version":1,"rules":[{"match":"*","scheme":{"method":"gtpq"}}]})"
            << "gtpq";
        QTest::newRow("unknown codec parameter")
            << R"({"version":1,"rules":[{"match":"*","scheme":{"codec_params":{"bit":4}}}]})"
            << "'bit'";
        QTest::newRow("out of range")
            << R"({"version":1,"rules":[{"match":"*","scheme":{"codec_params":{"bits":11}}}]})"
            << "11";
        QTest::newRow("negative seed") << R"({"version":1,"rules":[],"seed":-1})"
                                       << "seed";
    }
    void badRecipes() {
        QFETCH(QString, text);
        QFETCH(QString, word);
        const auto r = Recipe::fromJson(json::parse(text.toStdString()), "recipe.json");
        QVERIFY(!r);
        QVERIFY2(r.error().describe().find(word.toStdString()) != std::string::npos,
                 r.error().describe().c_str());
        QVERIFY(r.error().describe().find("recipe.json") != std::string::npos);
    }
};

QS_TEST(RecipeTest)
#include "tst_recipe.moc"
