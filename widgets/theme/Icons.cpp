// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/theme/Icons.h"

#include "widgets/theme/Theme.h"

#include <QDir>
#include <QFile>
#include <QIconEngine>
#include <QPaintEngine>
#include <QPixmapCache>
#include <QSvgRenderer>
#include <memory>

namespace qs::ui {

namespace {

QColor roleColor(IconRole role) {
    const Theme& t = theme();
    switch (role) {
    case IconRole::Normal:
        return t.text;
    case IconRole::Muted:
        return t.text2;
    case IconRole::Accent:
        return t.accent;
    case IconRole::OnAccent:
        return t.onAccent;
    case IconRole::Error:
        return t.error;
    case IconRole::Warning:
        return t.warning;
    case IconRole::Ok:
        return t.ok;
    }
    return t.text;
}

QByteArray iconSource(const QString& name) {
    static QHash<QString, QByteArray> cache;
    const auto found = cache.constFind(name);
    if (found != cache.constEnd()) return *found;
    QFile file(QStringLiteral(":/icons/%1.svg").arg(name));
    const QByteArray source = file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
    cache.insert(name, source);
    return source;
}

QPixmap glyphPixmap(const QString& name, const QSize& pixels, const QColor& color) {
    const QString key = QStringLiteral("qs-icon-%1-%2x%3-%4")
                            .arg(name)
                            .arg(pixels.width())
                            .arg(pixels.height())
                            .arg(color.rgba(), 8, 16);
    QPixmap pixmap;
    if (QPixmapCache::find(key, &pixmap)) return pixmap;
    pixmap = QPixmap(pixels);
    pixmap.fill(Qt::transparent);
    QByteArray source = iconSource(name);
    if (!source.isEmpty()) {
        source.replace("currentColor", color.name(QColor::HexRgb).toLatin1());
        QSvgRenderer renderer(source);
        QPainter p(&pixmap);
        p.setOpacity(color.alphaF());
        renderer.render(&p, QRectF(QPointF(0, 0), QSizeF(pixels)));
    }
    QPixmapCache::insert(key, pixmap);
    return pixmap;
}

class SvgIconEngine : public QIconEngine {
public:
    SvgIconEngine(QString name, IconRole role) : m_name(std::move(name)), m_role(role) {}

    void paint(QPainter* painter, const QRect& rect, QIcon::Mode mode, QIcon::State state) override {
        const QPaintEngine* engine = painter->paintEngine();
        const double ratio =
            engine && engine->paintDevice() ? engine->paintDevice()->devicePixelRatioF() : 1.0;
        QPixmap p = scaledPixmap(rect.size() * ratio, mode, state, ratio);
        p.setDevicePixelRatio(ratio);
        painter->drawPixmap(rect.topLeft(), p);
    }
    QPixmap pixmap(const QSize& size, QIcon::Mode mode, QIcon::State) override {
        return glyphPixmap(m_name, size, color(mode));
    }
    QPixmap scaledPixmap(const QSize& size, QIcon::Mode mode, QIcon::State, qreal) override {
        return glyphPixmap(m_name, size, color(mode));
    }
    QIconEngine* clone() const override { return new SvgIconEngine(*this); }
    QString key() const override { return QStringLiteral("quantoscope-svg"); }
    QString iconName() override { return m_name; }
    bool isNull() override { return iconSource(m_name).isEmpty(); }
    QSize actualSize(const QSize& size, QIcon::Mode, QIcon::State) override { return size; }
    QList<QSize> availableSizes(QIcon::Mode, QIcon::State) override { return {QSize(16, 16), QSize(32, 32)}; }

private:
    QColor color(QIcon::Mode mode) const {
        QColor c = roleColor(m_role);
        if (mode == QIcon::Disabled) c.setAlphaF(0.45f);
        return c;
    }
    QString m_name;
    IconRole m_role;
};

} // namespace

QIcon icon(const QString& name, IconRole role) {
    return QIcon(new SvgIconEngine(name, role));
}

QStringList iconNames() {
    QStringList names;
    for (const QString& file :
         QDir(QStringLiteral(":/icons")).entryList({QStringLiteral("*.svg")}, QDir::Files, QDir::Name))
        if (file != QLatin1String("quantoscope.svg")) names.push_back(file.chopped(4));
    return names;
}

void paintIcon(QPainter& painter, const QRectF& rect, const QString& name, const QColor& color) {
    QByteArray source = iconSource(name);
    if (source.isEmpty()) return;
    const QPaintEngine* engine = painter.paintEngine();
    if (!engine || engine->type() != QPaintEngine::Raster) { // SVG or PDF: stay vector
        source.replace("currentColor", color.name(QColor::HexRgb).toLatin1());
        QSvgRenderer(source).render(&painter, rect);
        return;
    }
    // A redirected widget (grab, render) paints on the engine's device, not on the one painter.device()
    // names.
    const double ratio = engine->paintDevice()->devicePixelRatioF();
    QPixmap p = glyphPixmap(name, (rect.size() * ratio).toSize(), color);
    p.setDevicePixelRatio(ratio);
    painter.drawPixmap(rect.topLeft(), p);
}

QIcon applicationIcon() {
    return QIcon(QStringLiteral(":/icons/quantoscope.svg"));
}

} // namespace qs::ui
