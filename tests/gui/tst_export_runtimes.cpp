// SPDX-License-Identifier: GPL-3.0-or-later
// Runtimes on the Export page: the formats that they load, the reasons of the others, and fixes.
#include "app/pages/ExportPage.h"
#include "app/session/LintWatch.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/models/LintModel.h"

#include <QComboBox>
#include <QListView>
#include <QPushButton>
#include <QTableView>
#include <QUndoStack>

#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::app;
using namespace qs::test;

class ExportRuntimes : public QObject {
    Q_OBJECT
    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;

    ExportPage* page() const { return (*m_window)->exportPage(); }
    QListView* list() const { return m_window->find<QListView>("exporterList"); }
    QTableView* lint() const { return m_window->find<QTableView>("exportLint"); }
    QPushButton* fix() const { return m_window->find<QPushButton>("fixButton"); }

    QString role(const QString& id, int role) const {
        for (int r = 0; r < list()->model()->rowCount(); ++r) {
            const QModelIndex i = list()->model()->index(r, 0);
            if (i.data(ExporterListModel::IdRole).toString() == id) return i.data(role).toString();
        }
        return QStringLiteral("absent");
    }
    QString status(const char* id) const { return role(QLatin1String(id), ExporterListModel::StatusRole); }

    /// Integers everywhere; waits until the formats and runtimes have been asked.
    void setIntegers(int bits, const char* grid, int bitsOfV = 0) {
        std::vector<std::optional<Scheme>> schemes;
        const Model& model = *m_window->session()->model();
        for (const QuantTarget& t : model.targets()) {
            Scheme s = *Scheme::make("int", "rtn");
            const int b = bitsOfV && t.role == "v" ? bitsOfV : bits;
            s.codecParams = *Params::fromJson((*findCodec("int"))->params,
                                              {{"bits", b}, {"group", 64}, {"grid", grid}}, "t");
            schemes.push_back(std::move(s));
        }
        m_window->table()->applyPlan(planFromSchemes(schemes, model, 0), QStringLiteral("test"));
        settle();
    }
    /// The answer about the table's present schemes is there, and shown.
    void settle() {
        const auto shown = [this] {
            const auto plan = m_window->session()->lint()->plan();
            return plan && plan->fingerprint() == m_window->table()->plan().fingerprint();
        };
        QTRY_VERIFY_WITH_TIMEOUT(shown(), 20000);
        QTest::qWait(150);
    }

private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("export-runtimes");
        m_window = std::make_unique<WindowFixture>(*m_home);
        (*m_window)->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->model(), 20000);
        (*m_window)->setWorkspace(Workspace::Export);
    }
    void cleanupTestCase() { m_window.reset(); }

    void theListIsTheRuntimes() {
        auto* box = m_window->find<QComboBox>("runtimeBox");
        QVERIFY(box && !box->accessibleName().isEmpty());
        QCOMPARE(box->count(), int(runtimeProfiles().size()) + 1);
        QCOMPARE(list()->model()->rowCount(), int(exporters().size()));
        page()->selectRuntime(QStringLiteral("gptqmodel"));
        QCOMPARE(list()->model()->rowCount(), 2);
        QCOMPARE(page()->exporter(), QStringLiteral("gptq"));
        page()->selectRuntime(QStringLiteral("llama.cpp"));
        QCOMPARE(page()->exporter(), QStringLiteral("gguf"));
        page()->selectRuntime(QString());
        QCOMPARE(list()->model()->rowCount(), int(exporters().size()));
        QCOMPARE(page()->exporter(), QStringLiteral("gguf")); // what was chosen stays where it can
    }

    void verdicts() {
        setIntegers(4, "symmetric");
        page()->selectRuntime(QStringLiteral("vllm"));
        QCOMPARE(status("gptq"), QStringLiteral("loads"));
        QCOMPARE(status("dequantized"), QStringLiteral("loads"));
        QCOMPARE(status("bnb_nf4"), QStringLiteral("does not load"));
        page()->selectExporter(QStringLiteral("gptq"));
        QVERIFY(!fix()->isVisible());
        page()->selectRuntime(QStringLiteral("transformers"));
        QCOMPARE(status("gptq"), QStringLiteral("loads"));
        // Two widths: only transformers minds.
        setIntegers(4, "symmetric");
        page()->selectExporter(QStringLiteral("bnb_nf4"));
        QVERIFY(
            role(QStringLiteral("bnb_nf4"), ExporterListModel::SummaryRole).contains(QStringLiteral("int")));
        QVERIFY(role(QStringLiteral("bnb_nf4"), Qt::ToolTipRole).contains(QStringLiteral("transformers 5")));
    }

    void aFixMendsTheRecipe() {
        setIntegers(4, "asymmetric");
        page()->selectRuntime(QStringLiteral("gptqmodel"));
        QCOMPARE(status("gptq"), QStringLiteral("loads"));
        page()->selectRuntime(QStringLiteral("vllm"));
        page()->selectExporter(QStringLiteral("gptq"));
        QCOMPARE(status("gptq"), QStringLiteral("does not load"));
        QVERIFY(lint()->isVisible());
        QTRY_VERIFY(fix()->isVisible());
        QCOMPARE(fix()->text(), QStringLiteral("Make symmetric"));
        const auto before = m_window->table()->plan().fingerprint();
        QTest::mouseClick(fix(), Qt::LeftButton);
        for (const PlanEntry& e : m_window->table()->plan().entries)
            QCOMPARE(e.scheme->codecParams.choice("grid"), std::string("symmetric"));
        settle();
        QCOMPARE(status("gptq"), QStringLiteral("loads"));
        QVERIFY(!fix()->isVisible());
        m_window->table()->undoStack()->undo();
        settle();
        QCOMPARE(m_window->table()->plan().fingerprint(), before);
        QCOMPARE(status("gptq"), QStringLiteral("does not load"));
    }

    void fusedLinearsAreMadeAlike() {
        setIntegers(4, "symmetric", 8);
        page()->selectRuntime(QStringLiteral("llama.cpp"));
        page()->selectRuntime(QStringLiteral("vllm"));
        page()->selectExporter(QStringLiteral("compressed_tensors"));
        QCOMPARE(status("compressed_tensors"), QStringLiteral("does not load"));
        QTRY_VERIFY(fix()->isVisible());
        QCOMPARE(fix()->text(), QStringLiteral("Make them alike"));
        fix()->setFocus();
        QTest::keyClick(fix(), Qt::Key_Space);
        for (const PlanEntry& e : m_window->table()->plan().entries)
            QCOMPARE(e.scheme->codecParams.integer("bits"), 4LL);
        settle();
        QVERIFY2(status("compressed_tensors").startsWith(QStringLiteral("loads")),
                 qPrintable(status("compressed_tensors")));
    }

    /// The Problems list of a runtime, and its button: about the recipe, also while a run says otherwise.
    void problemsAreMended() {
        auto* view = m_window->find<QTableView>("problemTable");
        auto* runtime = m_window->find<QComboBox>("problemRuntime");
        auto* mend = m_window->find<QPushButton>("problemFix");
        QVERIFY(view && runtime && mend);
        setIntegers(4, "symmetric");
        QVERIFY(m_window->session()->startRun());
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->run() && m_window->session()->run()->complete(), 60000);
        const auto rows = [&](const char* rule) {
            QModelIndexList out;
            for (int r = 0; r < view->model()->rowCount(); ++r) {
                const QModelIndex i = view->model()->index(r, 0);
                if (i.data(ui::LintModel::RuleRole).toString() == QLatin1String(rule)) out << i;
            }
            return out;
        };
        const LintWatch* watch = m_window->session()->lint();
        const auto about = [&](const LintWatch::Checked& c) { return c.plan ? c.plan->fingerprint() : ""; };
        const std::string ran = m_window->session()->runPlan()->fingerprint();
        QTRY_COMPARE_WITH_TIMEOUT(about(watch->exported()), ran, 20000);
        QVERIFY(rows("fused-group").isEmpty());
        // Edited since: the list follows the recipe, the export what was run.
        QVector<int> values;
        for (int t = 0; t < m_window->table()->count(); ++t)
            if (m_window->table()->row(t).role == u"v") values << t;
        QVERIFY(m_window->table()->edit(values, ui::SchemeEdit::codecParam("bits", 8LL)).isEmpty());
        QTRY_COMPARE_WITH_TIMEOUT(about(watch->recipe()), m_window->table()->plan().fingerprint(), 20000);
        QCOMPARE(about(watch->exported()), ran);
        runtime->setCurrentIndex(runtime->findData(QStringLiteral("vllm")));
        QTRY_VERIFY(!rows("fused-group").isEmpty());
        // Another edit meanwhile is not taken back by the fix.
        const int other = m_window->table()->indexOf(QStringLiteral("layers.0.mlp.down_proj"));
        QVERIFY(other >= 0);
        view->setCurrentIndex(rows("fused-group").front());
        QTRY_VERIFY(mend->isEnabled());
        QCOMPARE(mend->text(), QStringLiteral("Make them alike"));
        QVERIFY(m_window->table()->edit({other}, ui::SchemeEdit::codecParam("bits", 3LL)).isEmpty());
        const int steps = m_window->table()->undoStack()->index();
        mend->click();
        QCOMPARE(m_window->table()->undoStack()->index(), steps + 1);
        for (const int t : values)
            QCOMPARE(m_window->table()->schemes()[size_t(t)]->codecParams.integer("bits"), 4LL);
        QCOMPARE(m_window->table()->schemes()[size_t(other)]->codecParams.integer("bits"), 3LL);
        QTRY_VERIFY(rows("fused-group").isEmpty());
        // llama.cpp fuses nothing and loads none of it but as GGUF.
        runtime->setCurrentIndex(runtime->findData(QStringLiteral("llama.cpp")));
        QTRY_VERIFY(view->model()->rowCount() > 0);
        for (int r = 0; r < view->model()->rowCount(); ++r) {
            const QString source =
                view->model()->index(r, ui::LintModel::Source).data(Qt::DisplayRole).toString();
            QVERIFY2(source == u"recipe" || source.contains(u"GGUF"), qPrintable(source));
        }
        runtime->setCurrentIndex(0);
    }
};

QS_TEST(ExportRuntimes)
#include "tst_export_runtimes.moc"
