// SPDX-License-Identifier: GPL-3.0-or-later
// The window opens every kind of file: GGUF, PyTorch, HDF5, already quantized folders, and architectures with
// fused weights, experts or no causal order; it shows how weights are stored, and runs what can be run.
#include "app/pages/StoredCodesPane.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/charts/HistogramWidget.h"

#include <numeric>

namespace fs = std::filesystem;
using namespace qs;
using namespace qs::app;
using namespace qs::test;

class WindowFormats : public QObject {
    Q_OBJECT

    static bool open(const WindowFixture& f, const QString& path) {
        f->openPath(path);
        Session* s = f.session();
        return QTest::qWaitFor([s] { return s->model() && s->scannedCount() == s->table()->count(); }, 60000);
    }

private slots:
    void opens_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<bool>("runs");
        QTest::addColumn<int>("targets");
        QTest::addColumn<QString>("stored"); ///< type of the first target
        QTest::newRow("gguf") << "golden/gguf/tiny.gguf" << true << 14 << "Q8_0";
        QTest::newRow("pytorch") << "golden/torch_zip/model_torch" << true << 14 << "F16";
        QTest::newRow("hdf5") << "unit/reader/foreign/keras3.weights.h5" << false << 0 << "";
        QTest::newRow("fused") << "golden/arch/phi3" << true << 14 << "F32";
        QTest::newRow("transposed") << "golden/arch/gpt2" << true << 12 << "F32";
        QTest::newRow("experts") << "golden/arch/mixtral" << true << 0 << "F32";
        QTest::newRow("encoder") << "golden/arch/bert" << true << 12 << "F32";
        for (const auto& entry : fs::directory_iterator(sourceDir() / "tests/golden/packed/models")) {
            const QString name = QString::fromStdString(entry.path().filename().string());
            if (entry.is_directory())
                QTest::newRow(qPrintable("packed " + name))
                    << "golden/packed/models/" + name << true << 7 << "";
        }
    }

    void opens() {
        QFETCH(QString, file);
        QFETCH(bool, runs);
        QFETCH(int, targets);
        QFETCH(QString, stored);
        const WindowHome home("formats");
        const WindowFixture f(home);
        const QString path = QString::fromStdString((sourceDir() / "tests").string()) + '/' + file;
        QVERIFY2(open(f, path), qPrintable(f->messageBar()->text()));
        const Session* s = f.session();
        QVERIFY2(s->model()->hasForward() == runs, s->model()->noForwardReason().c_str());
        QVERIFY(s->table()->count() > 0);
        if (targets > 0) QCOMPARE(s->table()->count(), targets);
        for (int i = 0; i < s->table()->count(); ++i) {
            const ui::TargetRow& row = s->table()->row(i);
            QVERIFY2(std::isfinite(row.absmax) && row.absmax > 0, qPrintable(row.module));
            QVERIFY2(!row.sourceType.isEmpty() && row.sourceBits > 0, qPrintable(row.module));
            const bool packed = bool(s->model()->targets()[size_t(i)].packed);
            QCOMPARE(s->table()->editable(i, ui::EditField::Bits), !packed);
        }
        if (!stored.isEmpty()) QCOMPARE(s->table()->row(0).sourceType, stored);
    }

    void codesAreShown_data() {
        QTest::addColumn<QString>("folder");
        for (const auto& entry : fs::directory_iterator(sourceDir() / "tests/golden/packed/models"))
            if (entry.is_directory())
                QTest::newRow(entry.path().filename().c_str())
                    << QString::fromStdString(entry.path().string());
    }

    /// Every code of a block is there, with the value that the plain twin of the model holds.
    void codesAreShown() {
        QFETCH(QString, folder);
        const WindowHome home("formats-codes");
        const WindowFixture f(home);
        QVERIFY2(open(f, folder), qPrintable(f->messageBar()->text()));
        f.session()->selection()->selectOne(1);
        const PackedInfo& info = *f.session()->model()->targets()[1].packed;
        const auto* pane = f->findChild<StoredCodesPane*>();
        QVERIFY(pane);
        const ui::StoredCodesModel* codes = pane->model();
        QTRY_VERIFY_WITH_TIMEOUT(codes->info() && codes->info()->module == info.module, 10000);
        QCOMPARE(codes->rowCount(), int(info.out));
        QCOMPARE(codes->columnCount(), int(info.in));
        const auto bins = pane->histogram()->data()->before;
        QCOMPARE(std::accumulate(bins.begin(), bins.end(), quint64(0)), quint64(info.out * info.in));
        (void)codes->index(0, 0).data(); // asks for the rows
        QTRY_VERIFY_WITH_TIMEOUT(codes->index(0, 0).data().isValid(), 10000);

        const auto plain = openCheckpoint(fs::path(folder.toStdString()) / "plain.safetensors");
        QS_VERIFY_OK(plain);
        const size_t tensor = (*plain)->find(info.module + ".weight");
        const int rows = int(std::min<size_t>(info.out, ui::StoredCodesModel::kBlockRows));
        Matrix expected(size_t(rows), info.in);
        QS_VERIFY_OK((*plain)->readRows(tensor, 0, expected.view()));
        for (int r = 0; r < rows; ++r)
            for (int c = 0; c < int(info.in); ++c) {
                const QModelIndex cell = codes->index(r, c);
                QVERIFY(cell.data().isValid());
                const QString tip = cell.data(Qt::ToolTipRole).toString();
                bool ok = false;
                const double value = QLocale().toDouble(tip.section(QStringLiteral("value "), -1), &ok);
                const double want = double(expected(size_t(r), size_t(c)));
                QVERIFY2(ok && std::fabs(value - want) <= 1e-5 * std::fabs(want) + 1e-9, qPrintable(tip));
            }
    }

    void aPlainTensorHasNoCodes() {
        const WindowHome home("formats-plain");
        const WindowFixture f(home);
        QVERIFY(open(f, QString::fromStdString((sourceDir() / "tests/golden/arch/phi3").string())));
        f.session()->selection()->selectOne(0);
        const auto* pane = f->findChild<StoredCodesPane*>();
        QTRY_VERIFY(!pane->model()->info());
        QCOMPARE(pane->model()->rowCount(), 0);
    }

    /// Recorded activations for the model that is open become its calibration; weights open as a model.
    void hdf5IsWhatItHolds() {
        const WindowHome home("formats-h5");
        const WindowFixture f(home);
        const QString foreign =
            QString::fromStdString((sourceDir() / "tests/unit/reader/foreign").string()) + '/';
        f->openPath(foreign + "dump.h5");
        QTRY_VERIFY_WITH_TIMEOUT(f->messageBar()->text().contains("Open the model first"), 30000);
        QVERIFY(!f.session()->model());
        QVERIFY(open(f, foreign + "keras2.weights.h5"));
        QVERIFY(!f.session()->model()->hasForward());
    }
};

QS_TEST(WindowFormats)
#include "tst_window_formats.moc"
