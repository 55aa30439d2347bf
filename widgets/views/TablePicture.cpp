// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/TablePicture.h"

#include "widgets/theme/Theme.h"

#include <QFontMetricsF>
#include <QHeaderView>
#include <QTableView>
#include <QTreeView>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {

constexpr double kPadding = 6, kIndent = 14;

QString csvField(const QString& text) {
    if (!text.contains(QLatin1Char(',')) && !text.contains(QLatin1Char('"')) &&
        !text.contains(QLatin1Char('\n')))
        return text;
    return QLatin1Char('"') + QString(text).replace(QLatin1Char('"'), QStringLiteral("\"\"")) +
           QLatin1Char('"');
}

/// A number without the locale's decoration where the model has one; NaN is an empty field.
QString csvValue(const QModelIndex& index) {
    const QVariant value = index.data(Qt::EditRole);
    switch (value.typeId()) {
    case QMetaType::Double:
    case QMetaType::Float:
        return std::isnan(value.toDouble()) ? QString() : QString::number(value.toDouble(), 'g', 9);
    case QMetaType::Int:
    case QMetaType::UInt:
    case QMetaType::LongLong:
    case QMetaType::ULongLong:
        return value.toString();
    default:
        return csvField(index.data().toString());
    }
}

} // namespace

TablePicture::TablePicture(QAbstractItemView* view) : QObject(view), m_view(view) {}

const QHeaderView* TablePicture::header() const {
    if (const auto* table = qobject_cast<const QTableView*>(m_view)) return table->horizontalHeader();
    if (const auto* tree = qobject_cast<const QTreeView*>(m_view)) return tree->header();
    return nullptr;
}

QVector<int> TablePicture::columns() const {
    const QHeaderView* h = header();
    if (!h) return {0};
    QVector<int> out;
    for (int visual = 0; visual < h->count(); ++visual)
        if (const int c = h->logicalIndex(visual); !h->isSectionHidden(c)) out.push_back(c);
    return out;
}

void TablePicture::addRows(QVector<Row>& rows, const QModelIndex& parent, int depth, int most) const {
    const QAbstractItemModel* model = m_view->model();
    const auto* tree = qobject_cast<const QTreeView*>(m_view);
    for (int r = 0; r < model->rowCount(parent) && rows.size() < most; ++r) {
        const QModelIndex index = model->index(r, 0, parent);
        rows.push_back({index, depth});
        if (tree && tree->isExpanded(index)) addRows(rows, index, depth + 1, most);
    }
}

QVector<TablePicture::Row> TablePicture::rows(const QModelIndex& first, int most) const {
    QVector<Row> out;
    if (!m_view->model()) return out;
    if (const auto* tree = qobject_cast<const QTreeView*>(m_view); tree && first.isValid()) {
        for (QModelIndex i = first.siblingAtColumn(0); i.isValid() && out.size() < most;
             i = tree->indexBelow(i)) {
            int depth = 0;
            for (QModelIndex p = i.parent(); p.isValid(); p = p.parent())
                ++depth;
            out.push_back({i, depth});
        }
        return out;
    }
    if (first.isValid()) {
        for (int r = first.row(); r < m_view->model()->rowCount() && out.size() < most; ++r)
            out.push_back({m_view->model()->index(r, 0), 0});
        return out;
    }
    addRows(out, {}, 0, most);
    return out;
}

void TablePicture::renderTo(QPainter& painter, const QSize& size) const {
    const Theme& t = theme();
    painter.save();
    painter.fillRect(QRect(QPoint(0, 0), size), t.base);
    painter.setFont(m_view->font());
    const QFontMetricsF fm(m_view->font());
    const double height = std::max(22.0, fm.height() + 4);
    const QVector<int> columns = this->columns();
    double total = 0;
    for (const int c : columns)
        total += header() ? header()->sectionSize(c) : size.width();
    const double scale = total > 0 ? size.width() / total : 1;
    const auto cellText = [&](const QRectF& cell, const QString& text, int alignment) {
        painter.drawText(cell, alignment | Qt::TextSingleLine,
                         fm.elidedText(text, Qt::ElideRight, std::max(0.0, cell.width())));
    };
    const auto eachColumn = [&](double y, auto&& paint) {
        double x = 0;
        for (const int c : columns) {
            const double width = (header() ? header()->sectionSize(c) : size.width()) * scale;
            paint(c, QRectF(x + kPadding, y, width - 2 * kPadding, height));
            x += width;
        }
    };
    double y = 0;
    if (header() && m_view->model()) {
        painter.setPen(t.text2);
        eachColumn(y, [&](int c, const QRectF& cell) {
            const QVariant alignment = m_view->model()->headerData(c, Qt::Horizontal, Qt::TextAlignmentRole);
            cellText(cell, m_view->model()->headerData(c, Qt::Horizontal).toString(),
                     alignment.isValid() ? alignment.toInt() : int(Qt::AlignLeft | Qt::AlignVCenter));
        });
        y += height;
    }
    const int fit = std::max(0, int((size.height() - y) / height));
    for (const Row& row : rows(m_view->indexAt(QPoint(1, 1)), fit)) {
        painter.setPen(t.grid);
        painter.drawLine(QPointF(0, y), QPointF(size.width(), y));
        eachColumn(y, [&](int c, QRectF cell) {
            const QModelIndex index = row.index.siblingAtColumn(c);
            const QVariant ink = index.data(Qt::ForegroundRole),
                           alignment = index.data(Qt::TextAlignmentRole);
            painter.setPen(ink.isValid() ? ink.value<QColor>() : t.text);
            if (c == columns.front()) cell.adjust(row.depth * kIndent, 0, 0, 0);
            cellText(cell, index.data().toString(),
                     alignment.isValid() ? alignment.toInt() : int(Qt::AlignLeft | Qt::AlignVCenter));
        });
        y += height;
    }
    painter.restore();
}

QString TablePicture::toCsv() const {
    if (!m_view->model()) return {};
    const QVector<int> columns = this->columns();
    if (columns.isEmpty() || m_view->model()->columnCount() == 0) return {};
    QStringList fields;
    for (const int c : columns)
        fields << csvField(m_view->model()->headerData(c, Qt::Horizontal).toString());
    QString out = fields.join(QLatin1Char(',')) + QLatin1Char('\n');
    for (const Row& row : rows({}, kMostRows)) {
        fields.clear();
        for (const int c : columns)
            fields << csvValue(row.index.siblingAtColumn(c));
        out += fields.join(QLatin1Char(',')) + QLatin1Char('\n');
    }
    return out;
}

QString TablePicture::pictureName() const {
    const QString name = m_view->accessibleName();
    return name.isEmpty() ? m_view->objectName() : name;
}

} // namespace qs::ui
