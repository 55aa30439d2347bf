// SPDX-License-Identifier: GPL-3.0-or-later
// Memory and carried files on the Export page, against arithmetic on the sample: 4 blocks, 8 heads on 4 of
// keys and values, head size 32, hidden 256, intermediate 768, vocabulary 1024, context 256.
#include "app/pages/CarriedList.h"
#include "app/pages/ExportPage.h"
#include "app/pages/ExportSizes.h"
#include "app/session/LintWatch.h"
#include "core/run/planned_manifest.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/charts/ChartAxis.h"
#include "widgets/charts/StackedBar.h"

#include <QComboBox>
#include <QTableView>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::app;
using namespace qs::test;

namespace {
constexpr double kMiB = double(1 << 20);
constexpr int kLong = 120000;
} // namespace

class ExportMemory : public QObject {
    Q_OBJECT
    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;

    ExportPage* page() const { return (*m_window)->exportPage(); }
    QTableView* table() const { return m_window->find<QTableView>("sizesTable"); }
    ui::StackedBar* bar() const { return m_window->find<ui::StackedBar>("memoryBar"); }
    QComboBox* box(const char* name) const { return m_window->find<QComboBox>(name); }
    CarriedList* carried() const { return m_window->find<CarriedList>("carriedList"); }

    /// The text of a cell: the format's row, the column with this heading.
    QString cell(const QString& format, const QString& heading) const {
        const QAbstractItemModel* m = table()->model();
        for (int c = 0; c < m->columnCount(); ++c)
            if (m->headerData(c, Qt::Horizontal).toString() == heading)
                for (int r = 0; r < m->rowCount(); ++r)
                    if (m->index(r, 0).data().toString() == format) return m->index(r, c).data().toString();
        return QStringLiteral("absent");
    }
    static void setData(QComboBox* combo, const QVariant& data) {
        const int i = combo->findData(data);
        QVERIFY2(i >= 0, qPrintable(data.toString()));
        combo->setCurrentIndex(i);
    }
    /// All parts of a block's cache: 4 blocks x 2 x 4 heads x 32 x 256 tokens.
    static double cacheMiB(double bits) { return 4.0 * 2 * 4 * 32 * 256 * bits / 8 / kMiB; }

private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("export-memory");
        m_window = std::make_unique<WindowFixture>(*m_home);
        (*m_window)->resize(1600, 1000);
        (*m_window)->setWorkspace(Workspace::Export);
    }
    void cleanupTestCase() { m_window.reset(); }

    /// Without a run what the recipe will come to is shown.
    void plannedWithoutARun() {
        QVERIFY(bar()->data()->parts.isEmpty() && bar()->data()->emptyText.contains(u"model"));
        QVERIFY(!box("memoryContext")->isEnabled());
        QVERIFY(carried()->texts().isEmpty());
        (*m_window)->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->model(), 20000);
        (*m_window)->setWorkspace(Workspace::Export);
        QTRY_COMPARE(box("memoryContext")->count(), 1); // 256: the model's own
        page()->selectExporter(QStringLiteral("gptq"));
        QTRY_VERIFY(!bar()->data()->parts.isEmpty());
        const auto plan = m_window->session()->lint()->recipe().plan;
        const auto manifest =
            plannedManifest(*m_window->session()->model(), *plan, nullptr, nullptr,
                            m_window->session()->engine()->backendDescription().toStdString());
        QS_VERIFY_OK(manifest);
        const auto bytes =
            plannedBytes(**findExporter("gptq"), *m_window->session()->model(), *plan, *manifest);
        QS_VERIFY_OK(bytes);
        QCOMPARE(bar()->data()->parts[0].value, double(*bytes) / kMiB);
    }

    void numbersOfARun() {
        std::vector<std::optional<Scheme>> schemes;
        const Model& model = *m_window->session()->model();
        Scheme s = *Scheme::make("ggml", "rtn");
        s.codecParams = *Params::fromJson((*findCodec("ggml"))->params, {{"type", "q8_0"}}, "t");
        schemes.assign(model.targets().size(), s);
        m_window->table()->applyPlan(planFromSchemes(schemes, model, 0), QStringLiteral("test"));
        QVERIFY2(m_window->session()->startRun(), qPrintable(m_window->session()->runBlocker()));
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->run() && m_window->session()->run()->complete(), kLong);
        page()->selectRuntime(QStringLiteral("llama.cpp"));
        page()->selectExporter(QStringLiteral("gguf"));
        QTRY_COMPARE_WITH_TIMEOUT(bar()->data()->parts.size(), 3, kLong);
        QCOMPARE(cell("GGUF", "runtime"), QStringLiteral("llama.cpp"));
        QCOMPARE(cell("GGUF", "KV, MiB"), ui::formatFixed(cacheMiB(16), 1));
        // 256 tokens x 4 bytes x (256 + 2 x 768), which is more than 256 + 1024.
        const double compute = 256.0 * 4 * 1792 / kMiB;
        QVERIFY2(cell("GGUF", "compute, MiB").startsWith(ui::formatFixed(compute, 1)),
                 qPrintable(cell("GGUF", "compute, MiB")));
        const auto& parts = bar()->data()->parts;
        const double weights = parts[0].value;
        QVERIFY(std::abs(parts[1].value - cacheMiB(16)) < 1e-9 && std::abs(parts[2].value - compute) < 1e-9);
        QCOMPARE(cell("GGUF", "file, MiB"), ui::formatFixed(weights, 2));
        QCOMPARE(cell("GGUF", "total, MiB"), ui::formatFixed(weights + cacheMiB(16) + compute, 1));
        // Formats that llama.cpp does not open have no estimate by it.
        QCOMPARE(cell("GPTQ", "KV, MiB"), QStringLiteral("–"));
        // Lengths on the bar are the values.
        const QRectF a = bar()->partRect(0, bar()->size()), b = bar()->partRect(2, bar()->size());
        QVERIFY(std::abs(a.width() / b.width() - weights / compute) < 1e-6 * weights / compute);
        QVERIFY(bar()->toCsv().contains(u"KV cache"));
    }

    void choicesCount() {
        setData(box("memoryCache"), QStringLiteral("q4_0"));
        QCOMPARE(cell("GGUF", "KV, MiB"), ui::formatFixed(cacheMiB(4.5), 1));
        QVERIFY(std::abs(bar()->data()->parts[1].value - cacheMiB(4.5)) < 1e-9);
        page()->selectRuntime(QStringLiteral("vllm"));
        QCOMPARE(box("memoryCache")->findData(QStringLiteral("q4_0")), -1);
        QCOMPARE(box("memoryCache")->currentData().toString(), QStringLiteral("f16"));
        page()->selectRuntime(QString());
        QCOMPARE(box("memoryCache")->count(), 1);
        QCOMPARE(cell("HDF5", "runtime"), QStringLiteral("–"));
    }

    void keysReadTheBar() {
        page()->selectExporter(QStringLiteral("gguf"));
        QTRY_COMPARE(bar()->data()->parts.size(), 3);
        QTest::keyClick(bar(), Qt::Key_Right);
        QCOMPARE(bar()->currentPart(), 0);
        QTest::keyClick(bar(), Qt::Key_Right);
        QCOMPARE(bar()->currentPart(), 1);
        QVERIFY(bar()->accessibleDescription().contains(u"KV cache"));
        QTest::keyClick(bar(), Qt::Key_Left);
        QCOMPARE(bar()->currentPart(), 0);
    }

    void carriedFiles() {
        QTRY_VERIFY_WITH_TIMEOUT(!carried()->texts().isEmpty(), kLong);
        QTRY_VERIFY(carried()->texts().join(u'\n').contains(u"no place in this format")); // generation config
        QVERIFY(
            carried()->texts().first().startsWith(QStringLiteral("Tokenizer, ") + ui::groupedInteger(1024)));
        page()->selectExporter(QStringLiteral("dequantized"));
        QTRY_VERIFY(carried()->texts().contains(QStringLiteral("Generation config")));
        QVERIFY(carried()->texts().contains(QStringLiteral("Recipe and versions")));
        const CarriedItem files{.kind = CarriedItem::Kind::OtherFiles,
                                .carried = false,
                                .files = {{"LICENSE", 11000}, {"vocab.bin", 500}}};
        QVERIFY(carriedText(files).contains(u"2 other file") && carriedText(files).contains(u"not used"));
        QVERIFY(carriedHelp(files).contains(u"vocab.bin  500 bytes"));
    }
};

QS_TEST(ExportMemory)
#include "tst_export_memory.moc"
