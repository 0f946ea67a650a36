/* Stands in for the charts in a build without them (make assets gets them): pages say so then. */
export default null;
