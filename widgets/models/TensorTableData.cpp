// SPDX-License-Identifier: GPL-3.0-or-later
// What the cells of the tensor table say, and the keys they are sorted by.
#include "widgets/models/TensorTableModel.h"
#include "widgets/theme/Theme.h"

#include <QHash>
#include <algorithm>
#include <bit>
#include <cmath>

namespace qs::ui {

namespace {

QString stateText(const TargetRow& row) {
    if (row.different) return QStringLiteral("%1 → %2").arg(row.info->format, row.done);
    switch (row.state) {
    case TargetState::Kept:
        return TensorTableModel::tr("kept");
    case TargetState::Planned:
        return TensorTableModel::tr("planned");
    case TargetState::Queued:
        return TensorTableModel::tr("queued");
    case TargetState::Done:
        return row.stale ? TensorTableModel::tr("recipe changed since") : TensorTableModel::tr("done");
    case TargetState::Failed:
        return TensorTableModel::tr("cannot be done");
    }
    return {};
}

bool metricOf(TensorTableModel::Column column, Metric& metric) {
    switch (column) {
    case TensorTableModel::BitsPerWeight:
        metric = Metric::BitsPerWeight;
        return true;
    case TensorTableModel::OutlierWeights:
        metric = Metric::OutlierRatioWeights;
        return true;
    case TensorTableModel::OutlierActivations:
        metric = Metric::OutlierRatioActivations;
        return true;
    case TensorTableModel::Kurtosis:
        metric = Metric::Kurtosis;
        return true;
    case TensorTableModel::WeightError:
        metric = Metric::WeightError;
        return true;
    case TensorTableModel::OutputError:
        metric = Metric::OutputError;
        return true;
    case TensorTableModel::KlShare:
        metric = Metric::KlShare;
        return true;
    default:
        return false;
    }
}

QString groupText(const TargetRow& row) {
    if (!row.info->hasGroup) return {};
    if (row.info->group > 0) return QString::number(row.info->group);
    return row.info->group == 0 ? TensorTableModel::tr("tensor") : TensorTableModel::tr("channel");
}

/// Weights that share a scale.
double groupLength(const TargetRow& row) {
    if (!row.info->hasGroup) return kNotMeasured;
    if (row.info->group > 0) return double(row.info->group);
    return row.info->group == 0 ? double(row.rows) * double(row.cols) : double(row.cols);
}

/// What the cell says belongs to another scheme than the present one.
bool isStale(const TargetRow& row, TensorTableModel::Column column) {
    Metric metric;
    if (metricOf(column, metric)) return metricIsStale(row, metric);
    return column == TensorTableModel::State && row.stale;
}

/// Order-preserving: a < b exactly when key(a) < key(b). NaN sorts after everything, in both directions.
quint64 keyOf(double v, bool descending) {
    if (std::isnan(v)) return ~quint64(0);
    if (v == 0) v = 0; // -0
    const auto bits = std::bit_cast<quint64>(v);
    const quint64 ordered = bits >> 63 ? ~bits : bits | (quint64(1) << 63);
    return descending ? ~ordered : ordered;
}

/// Ranks of texts in natural order; few distinct ones are compared, however many rows there are.
std::vector<double> ranksOf(const std::vector<const QString*>& texts) {
    QHash<QString, int> rank;
    for (const QString* t : texts)
        rank.insert(*t, 0);
    QStringList distinct = rank.keys();
    std::sort(distinct.begin(), distinct.end(),
              [](const QString& a, const QString& b) { return naturalLess(a, b); });
    for (qsizetype i = 0; i < distinct.size(); ++i)
        rank[distinct[i]] = int(i);
    std::vector<double> out(texts.size());
    for (size_t i = 0; i < texts.size(); ++i)
        out[i] = texts[i]->isEmpty() ? kNotMeasured : rank.value(*texts[i]);
    return out;
}

} // namespace

bool TensorTableModel::isNumeric(Column column) {
    switch (column) {
    case Tensor:
    case Role:
    case Source:
    case Format:
    case Method:
    case Inputs:
    case State:
        return false;
    default:
        return true;
    }
}

double TensorTableModel::value(const TargetRow& row, Column column) const {
    Metric metric;
    if (metricOf(column, metric)) return metricValue(row, metric);
    switch (column) {
    case Block:
        return row.block < 0 ? kNotMeasured : row.block;
    case Shape:
        return double(row.rows) * double(row.cols);
    case Bits:
        return row.info->bits;
    case Group:
        return groupLength(row);
    case Size:
        return double(row.bytesAfter);
    case State:
        return double(int(row.state)) + (row.stale ? 0.5 : 0.0) + (row.different ? 10.0 : 0.0);
    default:
        return kNotMeasured;
    }
}

std::vector<quint64> TensorTableModel::sortKeys(Column column) const {
    const size_t n = size_t(totalCount());
    const bool descending = m_sortOrder == Qt::DescendingOrder;
    std::vector<quint64> keys(n);
    const auto textOf = [column](const TargetRow& row) -> const QString* {
        switch (column) {
        case Role:
            return &row.role;
        case Source:
            return &row.sourceType;
        case Format:
            return &row.info->format;
        case Method:
            return &row.info->method;
        case Inputs:
            return &row.info->inputs;
        default:
            return nullptr;
        }
    };
    if (column == Tensor) {
        for (size_t i = 0; i < n; ++i)
            keys[i] = keyOf(m_names->rank[i], descending);
    } else if (n > 0 && textOf(m_source->row(0))) {
        std::vector<const QString*> texts(n);
        for (size_t i = 0; i < n; ++i)
            texts[i] = textOf(m_source->row(int(i)));
        const std::vector<double> ranks = ranksOf(texts);
        for (size_t i = 0; i < n; ++i)
            keys[i] = keyOf(ranks[i], descending);
    } else {
        for (size_t i = 0; i < n; ++i)
            keys[i] = keyOf(value(m_source->row(int(i)), column), descending);
    }
    return keys;
}

QVariant TensorTableModel::display(const TargetRow& row, Column column) const {
    Metric metric;
    if (metricOf(column, metric)) return metricText(metric, metricValue(row, metric));
    switch (column) {
    case Tensor:
        return row.module;
    case Block:
        return row.block < 0 ? QString() : QString::number(row.block);
    case Role:
        return row.role;
    case Shape:
        return QStringLiteral("%1 × %2").arg(integerText(qint64(row.rows)), integerText(qint64(row.cols)));
    case Source:
        return row.sourceType;
    case Format:
        return row.info->format;
    case Bits:
        return row.info->bits > 0 ? QString::number(row.info->bits) : QString();
    case Group:
        return groupText(row);
    case Method:
        return row.info->method;
    case Inputs:
        return row.info->inputs;
    case Size:
        return bytesText(row.bytesAfter);
    case State:
        return stateText(row);
    default:
        return {};
    }
}

QVariant TensorTableModel::toolTip(const TargetRow& row, Column column) const {
    Metric metric;
    QStringList lines;
    if (metricOf(column, metric)) {
        const MetricInfo& info = metricInfo(metric);
        lines << info.label << info.help;
        const double v = metricValue(row, metric);
        lines << (std::isnan(v) ? tr("Not measured.")
                                : tr("Value: %1 %2").arg(numberText(v, 6), info.unit).trimmed());
    } else if (column == Tensor) {
        lines << row.tensor;
    } else if (column == Size) {
        lines << tr("%1 bytes, was %2")
                     .arg(integerText(qint64(row.bytesAfter)), integerText(qint64(row.bytesBefore)));
    } else if (column == Shape) {
        lines << tr("%1 outputs", nullptr, int(row.rows)).arg(integerText(qint64(row.rows))) +
                     QStringLiteral(", ") +
                     tr("%1 inputs", nullptr, int(row.cols)).arg(integerText(qint64(row.cols)));
    } else if (column == State && row.different) {
        lines << tr("%1 was planned, %2 was written.").arg(row.info->format, row.done);
    }
    if (isStale(row, column))
        lines << (column == KlShare ? tr("Recipe or calibration changed since.")
                                    : tr("Recipe changed since."));
    if (column == KlShare) lines << klStandInText(row);
    lines.removeAll(QString());
    if (!row.message.isEmpty() && (column == State || column == Tensor || column == Format))
        lines << row.message;
    return lines.isEmpty() ? QVariant() : lines.join(QLatin1Char('\n'));
}

QVariant TensorTableModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= int(m_visible.size())) return {};
    const int target = targetAt(index.row());
    const TargetRow& row = m_source->row(target);
    const auto column = Column(index.column());
    const bool failed = row.different || row.state == TargetState::Failed;
    EditField field;
    switch (role) {
    case Qt::DisplayRole:
        return display(row, column);
    case Qt::EditRole:
        if (column == Bits) return row.hasScheme() ? row.info->bits : 0;
        if (column == Group) return row.info->hasGroup ? QVariant(row.info->group) : QVariant();
        if (column == Method)
            return row.hasScheme() ? QString::fromStdString(row.info->scheme->method) : QString();
        if (column == Inputs) return row.info->inputs;
        return isNumeric(column) ? QVariant(value(row, column)) : display(row, column);
    case Qt::ToolTipRole:
        return toolTip(row, column);
    case Qt::TextAlignmentRole:
        return int((isNumeric(column) ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    case Qt::FontRole:
        return column == Tensor ? QVariant(monoFont()) : QVariant();
    case Qt::ForegroundRole:
        if (failed && (column == State || column == Tensor)) return theme().error;
        if (isStale(row, column)) return theme().text3;
        if (!row.hasScheme() && (column == Format || column == Bits || column == State)) return theme().text3;
        return {};
    case TargetRole:
        return target;
    case ValueRole:
        return value(row, column);
    case EditedRole:
        return row.edited && (column == Bits || column == Group || column == Method || column == Inputs ||
                              column == Format);
    case StaleRole:
        return isStale(row, column);
    case FailedRole:
        return failed;
    case StateRole:
        return int(row.state);
    case ChoiceLabelsRole:
    case ChoiceValuesRole: {
        if (!editField(index.column(), field)) return {};
        QStringList labels;
        QVariantList values;
        for (const EditChoice& c : m_source->choices(target, field)) {
            labels << c.label;
            values << c.value;
        }
        return role == ChoiceLabelsRole ? QVariant(labels) : QVariant(values);
    }
    default:
        return {};
    }
}

QVariant TensorTableModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || section < 0 || section >= ColumnCount) return {};
    const auto column = Column(section);
    if (role == Qt::TextAlignmentRole)
        return int((isNumeric(column) ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    Metric metric;
    if (metricOf(column, metric)) {
        if (role == Qt::DisplayRole) return metricInfo(metric).header;
        if (role == Qt::ToolTipRole)
            return metricInfo(metric).label + QLatin1Char('\n') + metricInfo(metric).help;
        return {};
    }
    if (role == Qt::ToolTipRole && column == Inputs)
        return tr(
            "What the inputs are rounded to while the model runs, token by token. Empty: left as they are.");
    if (role != Qt::DisplayRole) return {};
    switch (column) {
    case Tensor:
        return tr("tensor");
    case Block:
        return tr("block");
    case Role:
        return tr("role");
    case Shape:
        return tr("shape");
    case Source:
        return tr("source");
    case Format:
        return tr("format");
    case Bits:
        return tr("bits");
    case Group:
        return tr("group");
    case Method:
        return tr("method");
    case Inputs:
        return tr("inputs");
    case Size:
        return tr("size");
    case State:
        return tr("state");
    default:
        return {};
    }
}

} // namespace qs::ui
