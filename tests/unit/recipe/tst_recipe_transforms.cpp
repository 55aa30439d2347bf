// SPDX-License-Identifier: Apache-2.0
// Transforms in recipes and plans.
#include "core/recipe/recipe.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

class RecipeTransforms : public QObject {
    Q_OBJECT
    static json recipe(const json& transforms) {
        return {{"version", 1},
                {"transforms", transforms},
                {"rules",
                 {{{"match", "*"},
                   {"scheme", {{"codec", "int"}, {"method", "rtn"}, {"codec_params", {{"group", 16}}}}}}}}};
    }
    static std::shared_ptr<const Model> model(const json& patch = json::object()) {
        const auto folder = scratchDir("recipe-transforms");
        SmallModelShape shape;
        json config = smallConfig(shape);
        config.merge_patch(patch);
        if (auto w = writeSmallModel(folder, shape, config); !w) qFatal("%s", w.error().describe().c_str());
        return *openModel(folder);
    }

private slots:
    void roundTrips() {
        const auto r =
            Recipe::fromJson(recipe({{{"id", "smoothquant"}, {"alpha", 0.75}}, {{"id", "awq"}}}), "r");
        QS_VERIFY_OK(r);
        QCOMPARE(r->transforms.size(), size_t(2));
        QCOMPARE(r->transforms[0].params.real("alpha"), 0.75);
        QCOMPARE(r->transforms[1].id, std::string("awq"));
        const auto again = Recipe::fromJson(r->toJson(), "again");
        QS_VERIFY_OK(again);
        QVERIFY(*again == *r);
        const auto defaults = TransformUse::make("smoothquant");
        QS_VERIFY_OK(defaults);
        QCOMPARE(defaults->params.real("alpha"), 0.5);
    }
    void refused_data() {
        QTest::addColumn<QString>("transforms");
        QTest::addColumn<QString>("words");
        const auto row = [](const char* name, const char* list, const char* words) {
            QTest::newRow(name) << list << words;
        };
        row("unknown id", R"([{"id": "rotate"}])", "no transform 'rotate'");
        row("no id", R"([{"alpha": 0.5}])", "with an id");
        row("not an object", R"(["awq"])", "must be an object");
        row("not a list", R"({"id": "awq"})", "must be an array");
        row("unknown parameter", R"([{"id": "awq", "alpha": 0.5}])", "alpha");
        row("out of range", R"([{"id": "smoothquant", "alpha": 1.5}])", "alpha");
        row("twice", R"([{"id": "awq"}, {"id": "awq"}])", "twice");
    }
    void refused() {
        QFETCH(QString, transforms);
        QFETCH(QString, words);
        const auto r = Recipe::fromJson(recipe(json::parse(transforms.toStdString())), "mine.json");
        QVERIFY(!r);
        const std::string text = r.error().describe();
        QVERIFY2(text.find(words.toStdString()) != std::string::npos, text.c_str());
        QVERIFY2(text.find("mine.json: transforms") != std::string::npos, text.c_str());
    }
    // Without transforms recipes and plans are, to the byte, what they were before there were any.
    void absentMeansAsBefore() {
        const auto m = model();
        const auto with = Recipe::fromJson(recipe(json::array()), "r");
        json plainJson = recipe(json::array());
        plainJson.erase("transforms");
        const auto plain = Recipe::fromJson(plainJson, "r");
        QS_VERIFY_OK(with);
        QS_VERIFY_OK(plain);
        QVERIFY(*with == *plain);
        QVERIFY(!plain->toJson().contains("transforms"));
        const Plan a = resolvePlan(*plain, *m);
        json keys = json::array();
        const json text = a.toJson();
        for (const auto& [key, value] : text.items())
            keys.push_back(key);
        QVERIFY(keys == json({"seed", "tensors"}));
        Recipe scaled = *plain;
        scaled.transforms = {*TransformUse::make("awq")};
        const Plan b = resolvePlan(scaled, *m);
        QVERIFY(b.fingerprint() != a.fingerprint());
        QVERIFY(b.needsCalibration() && !a.needsCalibration());
        QVERIFY(!b.hasErrors());
        scaled.transforms = {*TransformUse::make("smoothquant")};
        const Plan c = resolvePlan(scaled, *m);
        scaled.transforms[0] = *TransformUse::fromJson({{"id", "smoothquant"}, {"alpha", 0.6}}, "r");
        QVERIFY(resolvePlan(scaled, *m).fingerprint() != c.fingerprint());
    }
    void rulesOnModels() {
        Recipe r = *Recipe::fromJson(recipe({{{"id", "awq"}}}), "r");
        const Plan unknown = resolvePlan(r, *model({{"architectures", {"SomethingElse"}}}));
        QVERIFY(unknown.hasErrors());
        QCOMPARE(unknown.issues.back().rule, std::string("transform-needs-forward"));
        r.rules[0].scheme.reset(); // nothing is quantized
        const Plan nothing = resolvePlan(r, *model());
        QVERIFY(!nothing.hasErrors());
        QCOMPARE(nothing.issues.back().rule, std::string("transform-no-fold"));
    }
};

QS_TEST(RecipeTransforms)
#include "tst_recipe_transforms.moc"
