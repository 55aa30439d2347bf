// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers as text, metrics, outliers, lint and the lines of the inspector, over plain rows.
#include "tests/gui/FakeSource.h"
#include "tests/support/qs_test.h"
#include "widgets/models/KeyValue.h"
#include "widgets/models/LintModel.h"
#include "widgets/models/Metric.h"
#include "widgets/models/OutlierTableModel.h"

#include <QAbstractItemModelTester>
#include <cmath>

using namespace qs;
using namespace qs::ui;

namespace {

QStringList column(const QAbstractItemModel& model, int column) {
    QStringList out;
    for (int r = 0; r < model.rowCount(); ++r)
        out << model.index(r, column).data().toString();
    return out;
}

} // namespace

class TstModels : public QObject {
    Q_OBJECT

private slots:
    void numbersAsText() {
        const QLocale c = QLocale::c();
        QCOMPARE(numberText(0.0078123, 3, c), QString("0.00781"));
        QCOMPARE(numberText(77.26, 3, c), QString("77.3"));
        QCOMPARE(numberText(1380.4, 3, c), QStringLiteral("1\u2009380"));
        QCOMPARE(numberText(std::nan(""), 3, c), QString());
        QCOMPARE(numberText(1e-9, 2, c), QString("1.0e-09"));
        QCOMPARE(bytesText(1023, c), QString("1023 B"));
        QCOMPARE(bytesText(859832, c), QString("839.7 KiB")); // 859832 / 1024 = 839.68
        QCOMPARE(bytesText(quint64(3) << 20, c), QString("3.00 MiB"));
        QCOMPARE(bytesText((quint64(1) << 20) - 1, c), QString("1.00 MiB")); // not "1024.0 KiB"
        QCOMPARE(integerText(14336), QStringLiteral("14\u2009336"));
        QCOMPARE(integerText(-1234567), QStringLiteral("\u22121\u2009234\u2009567"));
    }

    void metricsAreInTheirUnits() {
        TargetRow row;
        QVERIFY(std::isnan(metricValue(row, Metric::OutputError)));
        QCOMPARE(metricText(Metric::OutputError, kNotMeasured), QString());
        row.outputError = 0.0781;
        QCOMPARE(metricValue(row, Metric::OutputError), 7.81); // percent
        for (const Metric m : allMetrics()) {
            QCOMPARE(metricFromId(metricInfo(m).id, Metric::Absmax), m);
            QVERIFY(!metricInfo(m).label.isEmpty() && !metricInfo(m).help.isEmpty());
        }
        QCOMPARE(metricFromId("nonsense", Metric::Kurtosis), Metric::Kurtosis);
    }

    void outliersByActivations() {
        ChannelStats x, w;
        for (int c = 0; c < 8; ++c) {
            x.absmax.push_back(1.0f);
            x.mean.push_back(0.0f);
            x.stddev.push_back(1.0f);
            w.absmax.push_back(0.5f);
        }
        x.absmax[2] = 12;
        x.stddev[2] = 3;
        x.absmax[7] = 30;
        x.mean[7] = 4;
        x.stddev[7] = 3;
        w.absmax[7] = 1.5;
        const auto rows = outlierRows(&x, &w, OutlierRule::MedianRatio, 6);
        QCOMPARE(rows.size(), size_t(2));
        QCOMPARE(rows[0].channel, 7);
        QCOMPARE(rows[0].ratioX, 30.0);
        QCOMPARE(rows[0].ratioW, 3.0);
        // Second moments: six channels of 1, 9, and 16 + 9 = 25; 25 / 40.
        QCOMPARE(rows[0].energy, 62.5);
        QCOMPARE(rows[1].channel, 2);
        QCOMPARE(rows[1].energy, 22.5);
        const auto weights = outlierRows(nullptr, &w, OutlierRule::MedianRatio, 3);
        QCOMPARE(weights.size(), size_t(1));
        QVERIFY(std::isnan(weights[0].maxX) && std::isnan(weights[0].energy));
        QVERIFY(outlierRows(nullptr, nullptr, OutlierRule::MedianRatio, 6).empty());

        OutlierTableModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.setRows(rows);
        model.sort(OutlierTableModel::Channel, Qt::AscendingOrder);
        QCOMPARE(column(model, OutlierTableModel::Channel), (QStringList{"2", "7"}));
        model.sort(OutlierTableModel::MaxX, Qt::DescendingOrder);
        QCOMPARE(column(model, OutlierTableModel::Channel), (QStringList{"7", "2"}));
    }

    void lintListsErrorsFirst() {
        LintModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.setIssues("plan", {{Severity::Warning, "fused-group", "layers.0.qkv", "q, k, v differ"},
                                 {Severity::Error, "group-divides-row", "layers.0.mlp.down_proj", "no"}});
        model.setIssues("gptq", {{Severity::Info, "tied", "", "tied head"}});
        QCOMPARE(column(model, LintModel::Message), (QStringList{"no", "q, k, v differ", "tied head"}));
        QCOMPARE(model.errorCount(), 1);
        QCOMPARE(model.index(0, 0).data(LintModel::ModuleRole).toString(), QString("layers.0.mlp.down_proj"));
        QCOMPARE(model.index(2, LintModel::Where).data().toString(), QString("whole plan"));
        model.setIssues("plan", {});
        QCOMPARE(model.rowCount(), 1); // the other source's stay
        model.clear();
        QCOMPARE(model.rowCount(), 0);
    }

    void descriptions() {
        test::FakeSource source;
        source.fill(1);
        TargetRow& r = source.rows[0];
        r.kurtosis = 4.9;
        const auto value = [](const QVector<KeyValue>& all, const QString& key) {
            for (const KeyValue& kv : all)
                if (kv.key == key) return kv.value;
            return QString("?");
        };
        QCOMPARE(value(describeTensor(r), "Shape"), QString("64 × 64"));
        QCOMPARE(value(describeTensor(r), "Kurtosis w / x"), numberText(4.9, 3) + " / –");
        QCOMPARE(value(describeScheme(r), "Weight error"), QString("?")); // no result, no line
        r.done = r.info->format;
        r.weightError = 0.01;
        QCOMPARE(value(describeScheme(r), "Weight error"), numberText(1.0, 3) + " %");
        // q: 4096 bytes at 8 bits, k: 128 x 64 at 4 bits = 4096 bytes; 65536 bits / 12288 weights = 5.33
        const auto both = describeSelection({&source.rows[0], &source.rows[1]});
        QCOMPARE(value(both, "Tensors"), QString("2"));
        QCOMPARE(value(both, "Size"), bytesText(8192) + " · " + QLocale().toString(5.33, 'f', 2) + " bits/w");
    }
};

QS_TEST(TstModels)
#include "tst_models.moc"
