// SPDX-License-Identifier: GPL-3.0-or-later
// Transforms and rounded inputs through the window's controls, on the sample model: chosen, undone, run, and
// worth it.
#include "app/pages/ActivationsPane.h"
#include "app/pages/InspectorPane.h"
#include "app/pages/RunPage.h"
#include "app/pages/TensorsPane.h"
#include "app/pages/TransformsPane.h"
#include "tests/gui/WindowFixture.h"
#include "tests/support/small_model.h"
#include "widgets/editors/ParamEditors.h"
#include "widgets/editors/ParamForm.h"
#include "widgets/editors/SchemeEditor.h"
#include "widgets/editors/TransformsEditor.h"
#include "widgets/models/TensorTableModel.h"

#include <QCheckBox>
#include <QComboBox>
#include <QMenu>
#include <QPushButton>
#include <QScrollArea>
#include <QScrollBar>
#include <QTableView>
#include <QToolButton>

using namespace qs;
using namespace qs::test;
using ui::SchemeEdit;

namespace {
constexpr int kLong = 180000;
}

class WindowTransforms : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("window-transforms");
        m_window = std::make_unique<WindowFixture>(*m_home);
        m_window->window->resize(1600, 1000);
        QVERIFY(QTest::qWaitForWindowExposed(m_window->window.get()));
        m_window->trigger("openSample");
        QTRY_VERIFY_WITH_TIMEOUT(session()->model(), kLong);
    }
    void cleanupTestCase() { m_window.reset(); }

    void addAndUndo() {
        m_window->trigger("transforms");
        QCOMPARE((*m_window)->workspace(), app::Workspace::Run);
        QCOMPARE((*m_window)->focusWidget(), editor()->addButton());
        QVERIFY2(note().startsWith(u"None"), qPrintable(note()));
        add("smoothquant");
        QVERIFY(uses() == std::vector{*TransformUse::make("smoothquant")});
        QCOMPARE(session()->undoStack()->count(), 1);
        QVERIFY(editor()->form("smoothquant"));
        QVERIFY2(note().contains(u"Calibrate first"), qPrintable(note()));
        QVERIFY(!m_window->enabled("run"));
        QVERIFY(m_window->window->action("run")->toolTip().contains(u"Calibrate first"));
        m_window->trigger("undo");
        QVERIFY(uses().empty() && !editor()->form("smoothquant"));
        m_window->trigger("redo");
        QVERIFY(editor()->form("smoothquant"));
    }

    void parametersAndOrder() {
        auto* alpha = qobject_cast<ui::FloatEdit*>(editor()->form("smoothquant")->editor("alpha"));
        alpha->setValue(0.65);
        QCOMPARE(uses()[0].params.real("alpha"), 0.65);
        QCOMPARE(session()->undoStack()->count(), 2);
        m_window->trigger("undo");
        QCOMPARE(uses()[0].params.real("alpha"), 0.5);
        QCOMPARE(alpha->value(), 0.5);
        add("awq");
        button("awq", "up")->click();
        QCOMPARE(uses()[0].id, std::string("awq"));
        QCOMPARE(table()->recipe().transforms, uses());
        button("awq", "remove")->click();
        QCOMPARE(uses().size(), size_t(1));
        for (int i = 0; i < 3; ++i)
            m_window->trigger("undo");
        QCOMPARE(uses().size(), size_t(1));
        QCOMPARE(uses()[0].id, std::string("smoothquant"));
        m_window->trigger("undo");
        QVERIFY(uses().empty());
    }

    /// The KV cache and token weights are of the recipe, are undone, and say what does not fit.
    void cacheAndTokenWeights() {
        m_window->trigger("transforms");
        auto* cache = m_window->find<QComboBox>("kvCache");
        auto* weights = m_window->find<QCheckBox>("tokenWeights");
        QCOMPARE(cache->currentText(), QStringLiteral("as computed"));
        const int before = session()->undoStack()->index();
        choose(cache, "int4");
        QVERIFY(table()->recipe().kvCache == *KvScheme::preset("int4"));
        QCOMPARE(session()->undoStack()->index(), before + 1);
        weights->click();
        QVERIFY(table()->recipe().tokenWeights);
        QVERIFY(table()->recipe().kvCache);
        m_window->trigger("undo");
        QVERIFY(!weights->isChecked() && !table()->recipe().tokenWeights);
        QCOMPARE(cache->currentText(), QStringLiteral("int4"));
        choose(cache, "");
        QVERIFY(!table()->recipe().kvCache);

        ModelSettings own = table()->settings().model();
        own.kvCache = KvScheme::preset("int8").value();
        own.kvCache->exactTokens = 4;
        table()->setModelSettings(own, QStringLiteral("by a recipe"));
        QCOMPARE(cache->currentText(), QString::fromStdString(own.kvCache->label()));
        own.kvCache->keysPerChannel = true; // groups of 32 channels of a head, not of tokens: 24 do not fit
        own.kvCache->keys =
            InputScheme::fromJson({{"codec", "int"}, {"codec_params", {{"group", 24}}}}, "").value();
        table()->setModelSettings(own, QStringLiteral("by a recipe"));
        auto* note = m_window->find<app::ActivationsPane>("activationsPane")->note();
        QVERIFY(note->isVisibleTo(note->parentWidget()));
        QVERIFY2(note->text().contains(u"does not fit"), qPrintable(note->text()));
        while (session()->undoStack()->index() > before)
            m_window->trigger("undo");
        QCOMPARE(cache->currentText(), QStringLiteral("as computed"));
        QVERIFY(!note->isVisibleTo(note->parentWidget()));
    }

    /// In the smallest window nothing is squeezed: the facts scroll, the start stays in sight.
    void aSmallWindowScrolls() {
        add("smoothquant");
        add("awq");
        const QSize before = (*m_window)->size();
        (*m_window)->resize(1100, 700);
        auto* scroll = m_window->find<QScrollArea>("runFacts");
        QTRY_VERIFY(scroll->verticalScrollBar()->maximum() > 0);
        for (const char* id : {"smoothquant", "awq"}) {
            const auto* row =
                editor()->findChild<QWidget*>(QStringLiteral("transform-%1").arg(QLatin1String(id)));
            QTRY_VERIFY2(row->height() >= row->minimumSizeHint().height(), id);
        }
        QVERIFY(!(*m_window)->runPage()->runButton()->visibleRegion().isEmpty());
        (*m_window)->resize(before);
        QTRY_COMPARE(scroll->verticalScrollBar()->maximum(), 0);
        m_window->trigger("undo");
        m_window->trigger("undo");
    }

    void calibrate() {
        m_window->trigger("calibrate");
        QVERIFY(m_window->startDialog("calibrateDialog", 128, 16));
        QTRY_VERIFY_WITH_TIMEOUT(session()->calibration(), kLong);
        add("smoothquant");
        QVERIFY2(note().startsWith(u"Applied from top to bottom"), qPrintable(note()));
        m_window->trigger("undo");
        // Nothing to scale where nothing is quantized.
        const int step = session()->undoStack()->index();
        m_window->trigger("selectAll");
        m_window->trigger("bitsKeep");
        add("smoothquant");
        QVERIFY2(note().contains(u"changes nothing"), qPrintable(note()));
        while (session()->undoStack()->index() > step)
            m_window->trigger("undo");
    }

    void inputsOfASelection() {
        (*m_window)->setWorkspace(app::Workspace::Inspect);
        m_window->trigger("selectAll");
        ui::SchemeEditor* scheme = (*m_window)->inspectorPane()->editor();
        QComboBox* box = scheme->inputsBox();
        QTRY_COMPARE(box->currentText(), QStringLiteral("As they are"));
        const int steps = session()->undoStack()->index();
        choose(box, "int8");
        QCOMPARE(session()->undoStack()->index(), steps + 1);
        for (const auto& s : table()->schemes())
            QVERIFY(s->inputs == *InputScheme::preset("int8"));
        QTRY_COMPARE(box->currentText(), QStringLiteral("int8"));
        // In the table: shown, and edited for one row.
        auto* model = (*m_window)->tensorsPane()->model();
        const QModelIndex cell = model->index(2, ui::TensorTableModel::Inputs);
        QCOMPARE(cell.data().toString(), QStringLiteral("int8"));
        session()->selection()->selectOne(5);
        QVERIFY(model->setData(cell, QStringLiteral("mxfp8")));
        QCOMPARE(table()->row(model->targetAt(2)).info->inputs, QStringLiteral("mxfp8"));
        QCOMPARE(table()->row(5).info->inputs, QStringLiteral("int8"));
        m_window->trigger("selectAll");
        QTRY_COMPARE(box->currentIndex(), -1); // mixed
        m_window->trigger("undo");
        QTRY_COMPARE(box->currentText(), QStringLiteral("int8"));
        m_window->trigger("undo");
        QTRY_COMPARE(box->currentText(), QStringLiteral("As they are"));
    }

    /// Eight bits for weights and inputs: the outlier channels of the sample take most of a token's grid, and
    /// SmoothQuant gives it back.
    void smoothingLowersTheDivergence() {
        (*m_window)->setWorkspace(app::Workspace::Inspect);
        m_window->trigger("selectAll");
        ui::SchemeEditor* scheme = (*m_window)->inspectorPane()->editor();
        QTRY_VERIFY(scheme->isEnabled());
        choose(scheme->methodBox(), "rtn");
        for (const auto& edit : {SchemeEdit::codecParam("bits", 8LL), SchemeEdit::codecParam("group", -1LL),
                                 SchemeEdit::codecParam("grid", std::string("absmax"))})
            QCOMPARE(table()->edit(session()->selection()->targets(), edit), QString());
        choose(scheme->inputsBox(), "int8");
        const double plain = divergence();
        m_window->trigger("transforms");
        add("smoothquant");
        QVERIFY(session()->evaluationIsStale() && table()->runIsStale());
        const double smoothed = divergence();
        QVERIFY(session()->run()->changedTensors().size() >= 8); // the gains of two norms in each block
        qInfo("KL %.5f as it is, %.5f smoothed", plain, smoothed);
        QVERIFY(smoothed < 0.7 * plain);
        m_window->trigger("undo");
        QVERIFY(session()->evaluationIsStale());
    }

    /// What has no forward pass cannot be scaled, and the control says so.
    void unknownArchitecture() {
        SmallModelShape shape;
        auto config = smallConfig(shape);
        config["architectures"] = {"UnheardOfForCausalLM"};
        config["model_type"] = "unheard_of";
        const auto folder = scratchDir("window-transforms-unknown");
        QS_VERIFY_OK(writeSmallModel(folder, shape, config));
        const auto before = session()->model();
        (*m_window)->openPath(QString::fromStdString(folder.string()));
        QTRY_VERIFY_WITH_TIMEOUT(session()->model() != before, kLong);
        QVERIFY(!session()->model()->hasForward());
        m_window->trigger("transforms");
        QVERIFY(!editor()->addButton()->isEnabled());
        QVERIFY2(editor()->addButton()->toolTip().contains(u"not known which layer"),
                 qPrintable(editor()->addButton()->toolTip()));
        QCOMPARE(note(), editor()->addButton()->toolTip());
        QVERIFY(!app::whyNoTransforms(nullptr).isEmpty());
    }

private:
    app::Session* session() const { return m_window->session(); }
    app::SchemeTable* table() const { return m_window->table(); }
    ui::TransformsEditor* editor() const { return (*m_window)->runPage()->transforms()->editor(); }
    QString note() const { return (*m_window)->runPage()->transforms()->note()->text(); }
    const std::vector<TransformUse>& uses() const { return table()->settings().transforms; }
    QToolButton* button(const char* id, const char* name) const {
        return editor()
            ->findChild<QWidget*>(QStringLiteral("transform-%1").arg(QLatin1String(id)))
            ->findChild<QToolButton*>(QLatin1String(name));
    }
    void add(const char* id) {
        (*m_window)->setWorkspace(app::Workspace::Run);
        editor()->addButton()->menu()->findChild<QAction*>(QLatin1String(id))->trigger();
    }
    static void choose(QComboBox* box, const char* id) {
        box->setCurrentIndex(box->findData(QLatin1String(id)));
        emit box->activated(box->currentIndex());
    }
    /// Of a fresh run of the present recipe.
    double divergence() {
        m_window->trigger("run");
        const auto complete = [&] {
            return session()->run() && session()->run()->complete() && !table()->runIsStale();
        };
        if (!QTest::qWaitFor(complete, kLong)) return NAN;
        m_window->trigger("evaluate");
        if (!m_window->startDialog("evaluateDialog", 128, 8)) return NAN;
        const auto measured = [&] { return session()->evaluation() && !session()->evaluationIsStale(); };
        if (!QTest::qWaitFor(measured, kLong)) return NAN;
        return session()->evaluation()->after->kl;
    }

    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
};

QS_TEST(WindowTransforms)
#include "tst_window_transforms.moc"
