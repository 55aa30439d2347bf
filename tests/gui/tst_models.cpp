// SPDX-License-Identifier: GPL-3.0-or-later
// Tables, trees and lists over plain rows.
#include "tests/gui/FakeSource.h"
#include "tests/support/qs_test.h"
#include "widgets/models/KeyValue.h"
#include "widgets/models/LintModel.h"
#include "widgets/models/ModelTreeModel.h"
#include "widgets/models/OutlierTableModel.h"
#include "widgets/models/TargetSelection.h"
#include "widgets/models/TensorTableModel.h"
#include "widgets/theme/Theme.h"

#include <QAbstractItemModelTester>
#include <QElapsedTimer>
#include <QSignalSpy>
#include <QTableView>
#include <cmath>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::ui;

namespace {

QStringList column(const QAbstractItemModel& model, int column) {
    QStringList out;
    for (int r = 0; r < model.rowCount(); ++r)
        out << model.index(r, column).data().toString();
    return out;
}

TensorInfo tensor(const char* name, std::vector<uint64_t> shape) {
    TensorInfo t;
    t.name = name;
    t.dtype = DType::BF16;
    t.shape = std::move(shape);
    t.bytes = t.elements() * 2;
    return t;
}

/// As a file would list them: by name, so that block 10 stands before block 2 and the head first.
std::shared_ptr<const Checkpoint> smallCheckpoint() {
    std::vector<TensorInfo> tensors{tensor("lm_head.weight", {100, 64}),
                                    tensor("model.embed_tokens.weight", {100, 64}),
                                    tensor("model.norm.weight", {64})};
    for (const char* block : {"10", "0", "2"})
        for (const char* part : {"self_attn.q_proj.weight", "mlp.down_proj.weight", "mlp.down_proj.bias",
                                 "input_layernorm.weight", "post_attention_layernorm.weight"})
            tensors.push_back(tensor((std::string("model.layers.") + block + "." + part).c_str(), {64, 64}));
    return std::make_shared<const Checkpoint>("/models/tiny", "safetensors", tensors, nullptr,
                                              nlohmann::json());
}

} // namespace

class TstModels : public QObject {
    Q_OBJECT

private slots:
    void naturalOrder() {
        QVERIFY(naturalLess(u"layers.2.q", u"layers.10.q"));
        QVERIFY(!naturalLess(u"layers.10.q", u"layers.2.q"));
        QVERIFY(naturalLess(u"a", u"a.1"));
        QVERIFY(!naturalLess(u"a.01", u"a.1") && !naturalLess(u"a.1", u"a.01")); // equal numbers
        QVERIFY(naturalLess(u"x9y", u"x9z"));
    }

    void filterWords() {
        const QString name = "layers.3.mlp.down_proj";
        const auto plain = [&](const char* text) { return TensorFilter(text, false).matches(name, 3); };
        QVERIFY(plain(""));
        QVERIFY(plain("down"));
        QVERIFY(plain("DOWN mlp"));
        QVERIFY(!plain("down attn"));
        QVERIFY(plain("mlp.*down"));
        QVERIFY(plain("lay?rs"));
        QVERIFY(!plain("mlp.*up"));
        QVERIFY(!plain("down*mlp")); // in this order
        QVERIFY(plain("*"));
        QVERIFY(plain("1..3 down"));
        QVERIFY(!plain("4..9"));
        QVERIFY(!TensorFilter("0..9", false).matches(u"lm_head", -1));
        QVERIFY(TensorFilter("l.yers\\.\\d+\\.mlp", true).matches(name, 3));
        QVERIFY(!TensorFilter("^mlp", true).matches(name, 3));
        const TensorFilter broken("mlp.(", true);
        QVERIFY(!broken.error().isEmpty());
        QVERIFY(!broken.matches(name, 3)); // nothing, rather than everything
    }

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

    void tablePassesTheTester() {
        test::FakeSource source;
        TensorTableModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.setSource(&source);
        QCOMPARE(model.rowCount(), 0);
        source.fill(12);
        QCOMPARE(model.rowCount(), 84);
        for (int c = 0; c < TensorTableModel::ColumnCount; ++c)
            for (const auto order : {Qt::AscendingOrder, Qt::DescendingOrder})
                model.sort(c, order);
        model.setFilter("mlp");
        model.sort(-1);
        model.setFilter("");
        source.rows[3].kurtosis = 5;
        emit source.rowsChanged({3}, TargetTableSource::Change::Measured);
        model.setSource(nullptr);
        QCOMPARE(model.rowCount(), 0);
    }

    void sortIsNaturalAndMissingNumbersAreLast() {
        test::FakeSource source;
        source.fill(11);
        TensorTableModel model;
        model.setSource(&source);
        QCOMPARE(model.index(0, 0).data().toString(), QString("layers.0.self_attn.q_proj")); // model order
        model.sort(TensorTableModel::Tensor, Qt::DescendingOrder);
        QCOMPARE(model.index(0, 0).data().toString(), QString("layers.10.self_attn.v_proj"));
        model.sort(TensorTableModel::Tensor, Qt::AscendingOrder);
        QCOMPARE(model.index(0, 0).data().toString(), QString("layers.0.mlp.down_proj"));
        // -1.5 < -0.25 < 0 < 3: keys of negative numbers must not be turned around.
        source.rows[5].kurtosis = 3;
        source.rows[6].kurtosis = -1.5;
        source.rows[7].kurtosis = 0;
        source.rows[8].kurtosis = -0.25;
        const auto targets = [&] {
            QVector<int> t;
            for (int r = 0; r < 4; ++r)
                t << model.targetAt(r);
            return t;
        };
        model.sort(TensorTableModel::Kurtosis, Qt::AscendingOrder);
        QCOMPARE(targets(), (QVector<int>{6, 8, 7, 5}));
        model.sort(TensorTableModel::Kurtosis, Qt::DescendingOrder);
        QCOMPARE(targets(), (QVector<int>{5, 7, 8, 6}));
        QVERIFY(std::isnan(
            model.index(4, TensorTableModel::Kurtosis).data(TensorTableModel::ValueRole).toDouble()));
        QCOMPARE(model.targetAt(4), 0); // equals stay in model order
        model.sort(TensorTableModel::Format, Qt::AscendingOrder);
        QVERIFY(model.index(0, TensorTableModel::Format).data().toString().startsWith("int4"));
    }

    void sortKeepsPersistentIndexes() {
        test::FakeSource source;
        source.fill(3);
        TensorTableModel model;
        model.setSource(&source);
        const QPersistentModelIndex down(model.index(6, TensorTableModel::Size)); // layers.0.mlp.down_proj
        const QPersistentModelIndex query(model.index(0, TensorTableModel::Size));
        model.sort(TensorTableModel::Size, Qt::DescendingOrder);
        QCOMPARE(model.targetAt(down.row()), 6);
        QCOMPARE(model.targetAt(query.row()), 0);
        // down: 448 x 64 at 8 bits is the largest.
        QCOMPARE(model.targetAt(0), 6);
    }

    void filterNarrows() {
        test::FakeSource source;
        source.fill(20);
        TensorTableModel model;
        model.setSource(&source);
        model.sort(TensorTableModel::Block, Qt::DescendingOrder);
        model.setFilter("1..3 down");
        QCOMPARE(column(model, TensorTableModel::Tensor),
                 (QStringList{"layers.3.mlp.down_proj", "layers.2.mlp.down_proj", "layers.1.mlp.down_proj"}));
        QCOMPARE(model.rowOf(6), -1);
        QCOMPARE(model.rowOf(13), 2);
        model.setFilter("(", true);
        QCOMPARE(model.rowCount(), 0);
        QVERIFY(!model.filter().error().isEmpty());
        model.setFilter("");
        QCOMPARE(model.rowCount(), 140);
    }

    void cellsSayWhatTheyKnow() {
        test::FakeSource source;
        source.fill(1);
        TargetRow& r = source.rows[0];
        r.outputError = 0.0781;
        r.state = TargetState::Done;
        r.done = r.format;
        r.stale = true;
        r.edited = true;
        source.rows[1].different = true;
        source.rows[1].done = "int4 g32 asym";
        TensorTableModel model;
        model.setSource(&source);
        const auto at = [&](int row, int column) { return model.index(row, column); };
        QCOMPARE(at(0, TensorTableModel::OutputError).data().toString(),
                 metricText(Metric::OutputError, 7.81));
        QCOMPARE(at(0, TensorTableModel::OutputError).data(Qt::TextAlignmentRole).toInt(),
                 int(Qt::AlignRight | Qt::AlignVCenter));
        QCOMPARE(at(0, TensorTableModel::OutputError).data(TensorTableModel::StaleRole).toBool(), true);
        QCOMPARE(at(0, TensorTableModel::Kurtosis).data(TensorTableModel::StaleRole).toBool(), false);
        QCOMPARE(at(0, TensorTableModel::OutputError).data(Qt::ForegroundRole).value<QColor>(),
                 theme().text3);
        QVERIFY(
            at(0, TensorTableModel::OutputError).data(Qt::ToolTipRole).toString().contains("changed since"));
        QCOMPARE(at(0, TensorTableModel::Bits).data(TensorTableModel::EditedRole).toBool(), true);
        QCOMPARE(at(1, TensorTableModel::State).data().toString(), QString("int4 g64 asym → int4 g32 asym"));
        QCOMPARE(at(1, TensorTableModel::State).data(Qt::ForegroundRole).value<QColor>(), theme().error);
        QCOMPARE(at(0, TensorTableModel::Shape).data().toString(), QString("64 × 64"));
        QCOMPARE(at(0, TensorTableModel::Kurtosis).data().toString(), QString());
    }

    void editGoesToTheSelection() {
        test::FakeSource source;
        source.fill(2);
        TargetSelection selection;
        TensorTableModel model;
        model.setSource(&source);
        model.setSelection(&selection);
        QVERIFY(model.flags(model.index(0, TensorTableModel::Bits)) & Qt::ItemIsEditable);
        QVERIFY(!(model.flags(model.index(0, TensorTableModel::Kurtosis)) & Qt::ItemIsEditable));
        selection.set({2, 5, 9}, 5);
        QVERIFY(model.setData(model.index(5, TensorTableModel::Bits), 3));
        QCOMPARE(source.edits.back().targets, (QVector<int>{2, 5, 9}));
        QCOMPARE(source.edits.back().edit.key, std::string("bits"));
        QCOMPARE(std::get<long long>(source.edits.back().edit.value), 3LL);
        QVERIFY(model.setData(model.index(0, TensorTableModel::Method), "rtn")); // outside of the selection
        QCOMPARE(source.edits.back().targets, (QVector<int>{0}));
        QVERIFY(!model.setData(model.index(0, TensorTableModel::Kurtosis), 1));
        source.refusal = "no";
        QSignalSpy refused(&model, &TensorTableModel::editRefused);
        QVERIFY(!model.setData(model.index(0, TensorTableModel::Bits), 3));
        QCOMPARE(refused.size(), 1);
        QCOMPARE(
            model.index(0, TensorTableModel::Bits).data(TensorTableModel::ChoiceLabelsRole).toStringList(),
            (QStringList{"4", "8"}));
    }

    void measuredNumbersMoveRowsEditsDoNot() {
        test::FakeSource source;
        source.fill(1);
        for (int i = 0; i < 7; ++i)
            source.rows[size_t(i)].outputError = 0.01 * (i + 1);
        TensorTableModel model;
        model.setSource(&source);
        model.sort(TensorTableModel::OutputError, Qt::DescendingOrder);
        QCOMPARE(model.targetAt(0), 6);
        source.rows[0].outputError = 0.5;
        emit source.rowsChanged({0}, TargetTableSource::Change::Edited);
        QCOMPARE(model.targetAt(0), 6);
        emit source.rowsChanged({0}, TargetTableSource::Change::Measured);
        QCOMPARE(model.targetAt(0), 0);
    }

    void changedRowsAreNotedByRange() {
        test::FakeSource source;
        source.fill(3);
        TensorTableModel model;
        model.setSource(&source);
        QSignalSpy spy(&model, &QAbstractItemModel::dataChanged);
        emit source.rowsChanged({9, 3, 4, 5}, TargetTableSource::Change::Edited);
        QCOMPARE(spy.size(), 2);
        QCOMPARE(spy.at(0).at(0).toModelIndex().row(), 3);
        QCOMPARE(spy.at(0).at(1).toModelIndex().row(), 5);
        QCOMPARE(spy.at(1).at(0).toModelIndex().row(), 9);
    }

    void selectionIsSharedWithAView() {
        test::FakeSource source;
        source.fill(4);
        TargetSelection selection;
        TensorTableModel model;
        model.setSource(&source);
        QTableView view;
        view.setSelectionBehavior(QAbstractItemView::SelectRows);
        view.setModel(&model);
        bindSelection(&view, &model, &selection);
        QSignalSpy changed(&selection, &TargetSelection::changed);
        view.selectRow(8);
        QCOMPARE(selection.targets(), QVector<int>{8});
        QCOMPARE(selection.current(), 8);
        selection.set({1, 2, 20}, 20);
        QCOMPARE(view.selectionModel()->selectedRows().size(), 3);
        QCOMPARE(view.currentIndex().row(), 20);
        model.sort(TensorTableModel::Tensor, Qt::DescendingOrder);
        QCOMPARE(selection.targets(), (QVector<int>{1, 2, 20}));
        model.setFilter("layers.2"); // hides 1 and 2: they stay selected, the view shows what it can
        QTRY_COMPARE(view.selectionModel()->selectedRows().size(), 1);
        QCOMPARE(selection.targets(), (QVector<int>{1, 2, 20}));
        model.setFilter("");
        QTRY_COMPARE(view.selectionModel()->selectedRows().size(), 3);
        QCOMPARE(model.targetAt(view.currentIndex().row()), 20);
        QCOMPARE(selection.targets(), (QVector<int>{1, 2, 20}));
    }

    void selectionKeepsItsRules() {
        TargetSelection s;
        QSignalSpy changed(&s, &TargetSelection::changed), current(&s, &TargetSelection::currentChanged);
        s.set({5, 3, 3}, 5);
        QCOMPARE(s.targets(), (QVector<int>{3, 5}));
        QCOMPARE(s.current(), 5);
        s.set({3, 5}); // the current one is kept
        QCOMPARE(changed.size(), 1);
        s.set({1, 2}, 9); // not among them
        QCOMPARE(s.current(), 1);
        s.clear();
        QCOMPARE(s.current(), -1);
        QCOMPARE(current.size(), 3);
    }

    void treePassesTheTesterAndIsInModelOrder() {
        test::FakeSource source;
        source.fill(11);
        ModelTreeModel tree;
        tree.setModel(smallCheckpoint(), &source, "tiny");
        {
            // The tester fetches on its own, and not while it hears of a reset: it gets a filled tree.
            ModelTreeModel tested;
            tested.setModel(smallCheckpoint(), &source, "tiny");
            QAbstractItemModelTester tester(&tested, QAbstractItemModelTester::FailureReportingMode::QtTest);
            QVERIFY(tested.indexOfTarget(6).isValid());
            QVERIFY(tested.indexOfTarget(14).isValid());
            emit source.rowsChanged({6}, TargetTableSource::Change::Edited);
        }
        QCOMPARE(tree.rowCount(), 1);
        const QModelIndex root = tree.index(0, 0);
        QCOMPARE(root.data().toString(), QString("tiny"));
        QCOMPARE(tree.rowCount(root), 0); // lazy
        QVERIFY(tree.canFetchMore(root));
        tree.fetchMore(root);
        QStringList names;
        for (int r = 0; r < tree.rowCount(root); ++r)
            names << tree.index(r, 0, root).data().toString();
        QCOMPARE(names, (QStringList{"embed_tokens", "block 0", "block 2", "block 10", "norm", "lm_head"}));
        const QModelIndex block = tree.index(1, 0, root);
        tree.fetchMore(block);
        QCOMPARE(tree.index(0, 0, block).data().toString(), QString("self_attn"));
        QCOMPARE(tree.index(1, 0, block).data().toString(), QString("mlp"));
        QCOMPARE(tree.index(2, 0, block).data().toString(), QString("norms 2"));
        const QModelIndex mlp = tree.index(1, 0, block);
        tree.fetchMore(mlp);
        QCOMPARE(tree.rowCount(mlp), 2); // the weight, and the bias under its own name
        QCOMPARE(tree.index(0, 0, mlp).data(ModelTreeModel::TargetRole).toInt(), 6);
        QCOMPARE(tree.index(1, 0, mlp).data().toString(), QString("down_proj.bias"));
        QCOMPARE(tree.index(1, 0, mlp).data(ModelTreeModel::KeptRole).toBool(), true);
        QCOMPARE(tree.index(1, 1, mlp).data().toString(), QString("BF16"));
        QCOMPARE(tree.index(0, 1, mlp).data().toString(), source.rows[6].format);
    }

    void treeSumsFormatsAndMarks() {
        test::FakeSource source;
        source.fill(11);
        ModelTreeModel tree;
        tree.setModel(smallCheckpoint(), &source, "tiny");
        // Targets of block 0 in this file: q (64 x 64, 8 bits) and down (448 x 64, 8 bits).
        source.rows[6].bytesAfter = source.rows[6].rows * source.rows[6].cols / 2; // 4 bits
        const QModelIndex down = tree.indexOfTarget(6);
        QVERIFY(down.isValid());
        QCOMPARE(down.data().toString(), QString("down_proj"));
        const QModelIndex block = down.parent().parent();
        // (64 * 8 + 448 * 4) / 512 = 4.5
        QCOMPARE(block.siblingAtColumn(1).data().toString(), QLocale().toString(4.5, 'f', 2));
        QCOMPARE(block.data(ModelTreeModel::TargetsRole).value<QVector<int>>(), (QVector<int>{0, 6}));
        QCOMPARE(block.data(ModelTreeModel::EditedRole).toBool(), false);
        source.rows[6].edited = true;
        QSignalSpy spy(&tree, &QAbstractItemModel::dataChanged);
        emit source.rowsChanged({6}, TargetTableSource::Change::Edited);
        QVERIFY(spy.size() >= 1);
        QCOMPARE(block.data(ModelTreeModel::EditedRole).toBool(), true);
        QCOMPARE(block.parent().data(ModelTreeModel::EditedRole).toBool(), true);
        tree.setFilter("block_that_is_not");
        QCOMPARE(tree.rowCount(), 0);
        QVERIFY(!tree.indexOfTarget(6).isValid());
        tree.setFilter("down_proj");
        QVERIFY(tree.indexOfTarget(6).isValid());
        QVERIFY(!tree.indexOfTarget(0).isValid());
        tree.setModel(nullptr, nullptr, {});
        QCOMPARE(tree.rowCount(), 0);
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
        r.done = r.format;
        r.weightError = 0.01;
        QCOMPARE(value(describeScheme(r), "Weight error"), numberText(1.0, 3) + " %");
        // q: 4096 bytes at 8 bits, k: 128 x 64 at 4 bits = 4096 bytes; 65536 bits / 12288 weights = 5.33
        const auto both = describeSelection({&source.rows[0], &source.rows[1]});
        QCOMPARE(value(both, "Tensors"), QString("2"));
        QCOMPARE(value(both, "Size"), bytesText(8192) + " · " + QLocale().toString(5.33, 'f', 2) + " bits/w");
    }

    void hundredThousandRows() {
        test::FakeSource source;
        source.fill(14286);
        for (size_t i = 0; i < source.rows.size(); ++i) {
            source.rows[i].kurtosis = double((i * 2654435761u) % 1000003) / 1000;
            source.rows[i].outputError = i % 3 ? double((i * 40503u) % 65537) / 65537 : kNotMeasured;
        }
        TensorTableModel model;
        QElapsedTimer clock;
        clock.start();
        model.setSource(&source);
        qInfo("%d rows: load %lld ms", model.rowCount(), clock.elapsed());
        QVERIFY(model.rowCount() > 100000);
        const auto time = [&](const char* what, const auto& action) {
            clock.restart();
            action();
            const double ms = double(clock.nsecsElapsed()) / 1e6;
            qInfo("  %-28s %6.1f ms", what, ms);
            return ms;
        };
        double worst = 0;
        worst = std::max(
            worst, time("sort number", [&] { model.sort(TensorTableModel::Kurtosis, Qt::DescendingOrder); }));
        worst = std::max(worst,
                         time("sort number with gaps", [&] { model.sort(TensorTableModel::OutputError); }));
        worst = std::max(
            worst, time("sort name", [&] { model.sort(TensorTableModel::Tensor, Qt::DescendingOrder); }));
        worst = std::max(worst, time("sort text", [&] { model.sort(TensorTableModel::Format); }));
        worst = std::max(worst, time("filter word", [&] { model.setFilter("down"); }));
        worst = std::max(worst, time("filter pattern", [&] { model.setFilter("mlp.*down"); }));
        worst = std::max(worst, time("filter expression", [&] { model.setFilter("mlp\\..*down", true); }));
        worst = std::max(worst, time("filter blocks", [&] { model.setFilter("100..200"); }));
        worst = std::max(worst, time("filter none", [&] { model.setFilter(""); }));
        // Printed, not judged tightly: this only catches a change of the kind of growth.
        QVERIFY2(worst < 2000, qPrintable(QString::number(worst)));
    }
};

QS_TEST(TstModels)
#include "tst_models.moc"
