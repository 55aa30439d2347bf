// SPDX-License-Identifier: GPL-3.0-or-later
// The document: schemes of the sample model's linears, edits and undo, recipes, results.
#include "app/session/Session.h"
#include "tests/support/qs_test.h"
#include "widgets/models/Metric.h"

#include <QSignalSpy>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::app;
using qs::ui::SchemeEdit;
using qs::ui::TargetState;

namespace {

std::shared_ptr<const Model> sample() {
    static const auto model = qs::openModel(test::sampleModel());
    return model ? *model : nullptr;
}

QVector<int> allOf(const SchemeTable& table) {
    QVector<int> all;
    for (int i = 0; i < table.count(); ++i)
        all << i;
    return all;
}

} // namespace

class TstSchemeTable : public QObject {
    Q_OBJECT

private slots:
    void initTestCase() { QVERIFY2(sample(), "the sample model does not open"); }

    void everyLinearStartsWithASchemeThatFits() {
        SchemeTable table;
        table.setModel(sample());
        QCOMPARE(size_t(table.count()), sample()->spec().blocks.size() * 7);
        QVERIFY(!table.plan().hasErrors());
        QVERIFY(table.plan().needsCalibration());
        for (int t = 0; t < table.count(); ++t) {
            QVERIFY(table.row(t).hasScheme());
            QCOMPARE(table.row(t).info->scheme->method, std::string("gptq")); // the sample can be calibrated
            QCOMPARE(table.row(t).state, TargetState::Planned);
            QVERIFY(!table.row(t).edited);
            QCOMPARE(table.row(t).bytesAfter, table.plan().entries[size_t(t)].bytesAfter);
        }
        QVERIFY(!table.undoStack()->canUndo());
    }

    void inputsAreOneEdit() {
        SchemeTable table;
        table.setModel(sample());
        const auto before = table.schemes();
        const auto choices = table.choices(3, ui::EditField::Inputs);
        QCOMPARE(choices.size(), 1 + qsizetype(InputScheme::presets().size()));
        QCOMPARE(table.edit({3, 4}, table.editFor(ui::EditField::Inputs, choices[1].value)), QString());
        QCOMPARE(table.undoStack()->count(), 1);
        QCOMPARE(table.undoStack()->undoText(), QStringLiteral("Round the inputs of 2 tensors to int8"));
        QVERIFY(table.schemes()[3]->inputs == *InputScheme::preset("int8"));
        QCOMPARE(table.row(3).info->inputs, QStringLiteral("int8"));
        QCOMPARE(table.row(5).info->inputs, QString());
        QVERIFY(table.row(4).edited && !table.row(5).edited);
        // A recipe of it comes back.
        const auto recipe = Recipe::fromJson(table.recipe().toJson(), "test");
        QS_VERIFY_OK(recipe);
        QVERIFY(resolvePlan(*recipe, *sample()).entries[3].scheme->inputs.has_value());
        table.edit({3, 4}, table.editFor(ui::EditField::Inputs, choices[0].value));
        QVERIFY(table.schemes() == before); // shared, so pointers compare as values
        table.edit({3}, SchemeEdit::keep());
        QVERIFY(!table.editable(3, ui::EditField::Inputs));
    }

    void transformsAreUndone() {
        SchemeTable table;
        table.setModel(sample());
        table.beginRun(table.schemes(), {}, false);
        TensorResult r;
        r.module = table.row(0).module.toStdString();
        r.planned = r.done = "int4 g128 asym";
        table.setResults({r});
        const auto one = *TransformUse::make("smoothquant");
        QSignalSpy plan(&table, &SchemeTable::planChanged);
        table.setModelSettings({.transforms = {one}}, "Add SmoothQuant");
        QCOMPARE(plan.size(), 1);
        QCOMPARE(table.undoStack()->undoText(), QStringLiteral("Add SmoothQuant"));
        QVERIFY(table.plan().transforms == std::vector{one});
        QVERIFY(table.row(0).stale && table.runIsStale() && !table.row(0).edited);
        table.setModelSettings({.transforms = {one}}, "Again"); // nothing
        QCOMPARE(table.undoStack()->count(), 1);
        table.undoStack()->undo();
        QVERIFY(table.plan().transforms.empty() && !table.row(0).stale);
        table.undoStack()->redo();
        QVERIFY(table.settings().transforms == std::vector{one});
    }

    /// What a KL was measured for decides whether it still counts.
    void klBelongsToWhatItWasMeasuredFor() {
        using As = MeasuredKl::As;
        SchemeTable table;
        table.setModel(sample());
        const auto scheme = table.schemes()[0];
        const auto one = *TransformUse::make("smoothquant");
        // Equal, not the same object, as from a file.
        const auto copy = std::make_shared<const Scheme>(*scheme);
        table.setKl({{0, 0.1, copy, As::Method, {}, {}, "text"},
                     {1, 0.2, scheme, As::Nearest, {}, {}, "text"},
                     {2, 0.3, scheme, As::Run, {one}, {}, "text"},
                     {3, 0.4, scheme, As::Run, {}, {}, "text"}});
        QVERIFY(!table.row(0).klStale && !table.row(1).klStale && !table.row(3).klStale);
        QVERIFY(table.row(2).klStale); // the recipe has no transform
        QVERIFY(!table.row(0).klNearest && table.row(1).klNearest && !table.row(3).klNearest);
        QCOMPARE(ui::klStandInText(table.row(0)), QString());
        QVERIFY(ui::klStandInText(table.row(1)).contains(u"GPTQ needs a calibration"));
        table.setModelSettings({.transforms = {one}}, "Add");
        QVERIFY(!table.row(2).klStale && table.row(3).klStale);
        QVERIFY(table.row(0).klUnscaled && table.row(1).klUnscaled && !table.row(2).klUnscaled);
        QVERIFY(ui::klStandInText(table.row(0)).contains(u"without the transforms"));
        table.undoStack()->undo();
        QVERIFY(!table.row(0).klUnscaled && !table.row(3).klStale);
        table.edit({0}, SchemeEdit::codecParam("bits", 8LL));
        QVERIFY(table.row(0).klStale);
        QVERIFY(std::fabs(table.row(3).klShare - 0.4) <= 1e-12);
    }

    /// A recipe that scales channels plans, saves, undoes and runs as it says.
    void transformsAreCarried() {
        SchemeTable table;
        table.setModel(sample());
        Recipe recipe = Recipe::uniform(*Scheme::make("int", "rtn"), 7);
        recipe.transforms = {*TransformUse::make("smoothquant"), *TransformUse::make("awq")};
        table.applyRecipe(recipe, "Open recipe");
        QCOMPARE(table.plan().fingerprint(), resolvePlan(recipe, *sample()).fingerprint());
        QVERIFY(table.plan().needsCalibration());
        QVERIFY(table.recipe("x").transforms == recipe.transforms);
        const auto said = [&] {
            const auto issues = table.issues();
            return std::count_if(issues.begin(), issues.end(), [](const LintIssue& i) {
                return i.rule == "transform" && i.severity == Severity::Info;
            });
        };
        QCOMPARE(said(), 1);
        table.beginRun(table.schemes(), recipe, false);
        QVERIFY(!table.runIsStale());
        table.beginRun(table.schemes(), {}, false);
        QVERIFY(table.runIsStale());
        QCOMPARE(table.edit({0}, SchemeEdit::codecParam("bits", 8LL)), QString());
        QVERIFY(table.plan().transforms == recipe.transforms);
        table.undoStack()->undo();
        table.undoStack()->undo();
        QVERIFY(table.plan().transforms.empty() && table.recipe().transforms.empty());
        QCOMPARE(said(), 0);
        table.undoStack()->redo();
        QVERIFY(table.plan().transforms == recipe.transforms);
    }

    void bitsOfManyRowsAreOneUndoStep() {
        SchemeTable table;
        table.setModel(sample());
        QSignalSpy changed(&table, &ui::TargetTableSource::rowsChanged);
        QCOMPARE(table.edit({0, 3, 6}, SchemeEdit::codecParam("bits", 8LL)), QString());
        QCOMPARE(table.undoStack()->count(), 1);
        QVERIFY(table.undoStack()->undoText().startsWith("Set 3 tensor"));
        QVERIFY(table.undoStack()->undoText().endsWith("to 8 bits"));
        QCOMPARE(changed.size(), 1);
        const ui::TargetRow row = table.row(3);
        QCOMPARE(row.info->bits, 8);
        QVERIFY(row.edited && !table.row(1).edited);
        // One byte per code, a 2-byte scale and a 1-byte zero point per group.
        const quint64 groups = row.rows * row.cols / quint64(row.info->group);
        QCOMPARE(row.bytesAfter, row.rows * row.cols + 3 * groups);
        table.undoStack()->undo();
        QCOMPARE(table.row(3).info->bits, 4);
        QVERIFY(!table.row(3).edited);
        table.undoStack()->redo();
        QCOMPARE(table.row(3).info->bits, 8);
        // Nothing changes, nothing to undo.
        table.edit({0}, SchemeEdit::codecParam("bits", 8LL));
        QCOMPARE(table.undoStack()->count(), 1);
    }

    void oneRowIsNamed() {
        SchemeTable table;
        table.setModel(sample());
        table.edit({table.indexOf("layers.1.self_attn.q_proj")}, SchemeEdit::codecParam("bits", 3LL));
        QCOMPARE(table.undoStack()->undoText(), QString("Set q_proj, block 1 to 3 bits"));
    }

    void aDragIsOneStep() {
        SchemeTable table;
        table.setModel(sample());
        table.edit({0}, SchemeEdit::codecParam("bits", 5LL)); // the two rows differ when the drag begins
        for (const long long bits : {5, 6, 7})
            table.edit({0, 1}, SchemeEdit::codecParam("bits", bits), 11);
        QCOMPARE(table.undoStack()->count(), 2);
        QCOMPARE(table.row(1).info->bits, 7);
        table.edit({0, 1}, SchemeEdit::codecParam("bits", 2LL), 12); // another drag
        QCOMPARE(table.undoStack()->count(), 3);
        table.undoStack()->undo();
        table.undoStack()->undo();
        QCOMPARE(table.row(0).info->bits, 5);
        QCOMPARE(table.row(1).info->bits, 4);
        // A drag that ends where it began leaves nothing.
        table.edit({2}, SchemeEdit::codecParam("bits", 8LL), 13);
        table.edit({2}, SchemeEdit::codecParam("bits", 4LL), 13);
        QCOMPARE(table.undoStack()->undoText(), QString("Set q_proj, block 0 to 5 bits"));
    }

    void refusedEditsChangeNothing() {
        SchemeTable table;
        table.setModel(sample());
        QVERIFY(table.edit({0}, SchemeEdit::codecParam("bits", 99LL)).contains("bits"));
        QVERIFY(!table.edit({0}, SchemeEdit::method("nonsense")).isEmpty());
        QVERIFY(!table.undoStack()->canUndo());
    }

    void problemsAreShownWhereTheyAre() {
        SchemeTable table;
        table.setModel(sample());
        const int t = table.indexOf("layers.0.mlp.down_proj");
        table.edit({t}, SchemeEdit::codecParam("group", 100LL));
        QVERIFY(table.plan().hasErrors());
        QCOMPARE(table.row(t).state, TargetState::Failed);
        QVERIFY(table.row(t).message.contains("100"));
        // q in another format than k and v: the whole fused group is warned.
        const int q = table.indexOf("layers.0.self_attn.q_proj"),
                  k = table.indexOf("layers.0.self_attn.k_proj");
        table.edit({q}, SchemeEdit::codecParam("bits", 8LL));
        QVERIFY(!table.row(k).message.isEmpty());
        QCOMPARE(table.row(k).state, TargetState::Planned);
        table.undoStack()->undo();
        QVERIFY(table.row(k).message.isEmpty());
    }

    void keptAndBack() {
        SchemeTable table;
        table.setModel(sample());
        table.edit({4}, table.editFor(ui::EditField::Bits, 0));
        QCOMPARE(table.row(4).state, TargetState::Kept);
        QCOMPARE(table.row(4).bytesAfter, table.row(4).bytesBefore);
        QCOMPARE(table.row(4).info->format, table.row(4).sourceType);
        QVERIFY(!table.editable(4, ui::EditField::Group));
        table.edit({4}, table.editFor(ui::EditField::Bits, 6));
        QCOMPARE(table.row(4).info->bits, 6);
        QVERIFY(table.choices(4, ui::EditField::Bits).size() == 8); // 2..8 and keep
        for (const ui::EditChoice& c : table.choices(4, ui::EditField::Group))
            if (c.value.toInt() > 0) QCOMPARE(table.row(4).cols % quint64(c.value.toInt()), quint64(0));
    }

    void recipeSaysExactlyTheTable() {
        SchemeTable table;
        table.setModel(sample());
        QCOMPARE(table.recipe().rules.size(), size_t(1));
        QCOMPARE(table.recipe().rules[0].match, std::string("*"));
        const auto role = [&](const char* name) {
            QVector<int> rows;
            for (int t = 0; t < table.count(); ++t)
                if (table.row(t).name == QLatin1String(name)) rows << t;
            return rows;
        };
        table.edit(role("down_proj"), SchemeEdit::codecParam("bits", 8LL));
        table.edit({table.indexOf("layers.2.mlp.down_proj")}, SchemeEdit::keep());
        const Recipe recipe = table.recipe("mix");
        QCOMPARE(recipe.rules.size(), size_t(3));
        QCOMPARE(recipe.rules[0].match, std::string("layers.2.mlp.down_proj"));
        QVERIFY(!recipe.rules[0].scheme);
        QCOMPARE(recipe.rules[1].match, std::string("layers.*.mlp.down_proj"));
        const auto schemes = table.schemes();
        // Random tables come back exactly, through JSON.
        quint32 state = 7;
        for (int round = 0; round < 20; ++round) {
            for (int i = 0; i < 1 + round; ++i) {
                state = state * 1664525u + 1013904223u;
                const int t = int((state >> 8) % quint32(table.count()));
                table.edit({t}, (state >> 4) % 4
                                    ? SchemeEdit::codecParam("bits", (long long)(2 + (state >> 16) % 7))
                                    : SchemeEdit::keep());
            }
            const auto wanted = table.schemes();
            const auto parsed = Recipe::fromJson(table.recipe().toJson(), "test");
            QS_VERIFY_OK(parsed);
            table.edit(allOf(table), SchemeEdit::keep());
            const int before = table.undoStack()->count();
            table.applyRecipe(*parsed, "Load");
            QCOMPARE(table.undoStack()->count(), before + 1);
            QVERIFY(table.schemes() == wanted); // shared, so pointers compare as values
            for (const LintIssue& i : table.plan().issues)
                QVERIFY(i.rule != "rule-matches-nothing");
            QVERIFY(!table.row(0).edited); // "edited" is measured from the recipe
        }
        table.applyRecipe(recipe, "Load mix");
        QVERIFY(table.schemes() == schemes);
        table.undoStack()->undo();
        QVERIFY(table.schemes() != schemes);
    }

    void rulesThatMatchNothingAreTold() {
        SchemeTable table;
        table.setModel(sample());
        Recipe recipe = table.recipe();
        recipe.rules.insert(recipe.rules.begin(), {"mlp.*dwon", std::nullopt});
        table.applyRecipe(recipe, "Load");
        const auto told = [&] {
            for (const LintIssue& i : table.plan().issues)
                if (i.rule == "rule-matches-nothing" && i.message.find("mlp.*dwon") != std::string::npos)
                    return true;
            return false;
        };
        QVERIFY(told());
        table.edit({0}, SchemeEdit::codecParam("bits", 8LL));
        QVERIFY(!told());
    }

    void resultsGoStaleWithTheirScheme() {
        SchemeTable table;
        table.setModel(sample());
        table.beginRun(table.schemes(), {}, true);
        QCOMPARE(table.row(0).state, TargetState::Queued);
        TensorResult r;
        r.module = table.row(0).module.toStdString();
        r.planned = r.done = "int4 g128 asym";
        r.error.weight = 0.01;
        table.setResults({r});
        QCOMPARE(table.row(0).state, TargetState::Done);
        QCOMPARE(table.row(0).weightError, 0.01);
        QVERIFY(std::isnan(table.row(0).outputError)); // -1 means: not measured
        r.done = "int4 g32 asym";
        table.setResults({r});
        QVERIFY(table.row(0).different);
        table.endRun();
        QCOMPARE(table.row(1).state, TargetState::Planned);
        QVERIFY(!table.runIsStale());
        table.edit({0, 1}, SchemeEdit::codecParam("bits", 8LL));
        QVERIFY(table.row(0).stale && !table.row(1).stale); // row 1 has no result
        QVERIFY(table.runIsStale());
        table.undoStack()->undo();
        QVERIFY(!table.row(0).stale);
        table.clearRun();
        QVERIFY(std::isnan(table.row(0).weightError));
        QCOMPARE(table.row(0).state, TargetState::Planned);
    }
};

QS_TEST(TstSchemeTable)
#include "tst_scheme_table.moc"
